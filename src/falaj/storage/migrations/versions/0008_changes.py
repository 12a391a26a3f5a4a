"""The tables of changes, approvals and admissions."""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table(
        'changes',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('tenant', sa.String(length=100), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('rank', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('state', sa.String(length=40), nullable=False),
        sa.Column('requester', sa.String(length=200), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('restores', sa.String(length=40), nullable=True),
        sa.Column('opens_at', sa.Double(), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('changes_by_endpoint', 'changes', ['model', 'environment', 'created_at'])
    op.create_index('ix_changes_state', 'changes', ['state'])
    op.create_table(
        'approvals',
        sa.Column('change_id', sa.String(length=40), nullable=False),
        sa.Column('approver', sa.String(length=200), nullable=False),
        sa.Column('key_id', sa.String(length=64), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('approved_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('change_id', 'approver'),
    )
    op.create_table(
        'admissions',
        sa.Column('id', _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column('change_id', sa.String(length=40), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('not_before', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('admissions_by_change', 'admissions', ['change_id', 'location'])


def downgrade() -> None:
    op.drop_table('admissions')
    op.drop_table('approvals')
    op.drop_table('changes')
