"""The tables of enrolled locations and of the certificates that their agents have."""

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'workload_enrolments',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('created_by', sa.String(length=200), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('used_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.Column('seen_at', sa.Double(), nullable=True),
        sa.Column('key_digest', sa.String(length=64), nullable=True),
        sa.Column('certified_until', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('workload_enrolments_by_location', 'workload_enrolments', ['location'])
    op.create_index('workload_enrolments_by_key', 'workload_enrolments', ['key_digest'])
    op.create_table(
        'workload_certificates',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('serial', sa.String(length=40), nullable=False),
        sa.Column('enrolment', sa.String(length=40), nullable=False),
        sa.Column('issued_at', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(['enrolment'], ['workload_enrolments.id']),
        sa.PrimaryKeyConstraint('serial'),
    )
    op.create_index('workload_certificates_by_enrolment', 'workload_certificates', ['enrolment'])


def downgrade() -> None:
    op.drop_table('workload_certificates')
    op.drop_table('workload_enrolments')
