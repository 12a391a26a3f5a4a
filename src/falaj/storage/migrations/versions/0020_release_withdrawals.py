"""Which releases were withdrawn, and which came back."""

import sqlalchemy as sa
from alembic import op


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'release_withdrawals',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('model', 'number'),
    )
