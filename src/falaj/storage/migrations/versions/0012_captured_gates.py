"""The table of gates that failures left behind."""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'captured_gates',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('metric', sa.String(length=40), nullable=False),
        sa.Column('limit', sa.Double(), nullable=False),
        sa.Column('predicate', sa.String(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('jurisdiction', sa.String(length=20), nullable=False),
        sa.Column('cause', sa.String(length=200), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('captured_gates_by_model', 'captured_gates', ['model', 'state'])
