"""The table of which project a model belongs to."""

import sqlalchemy as sa
from alembic import op


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'model_owners',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('since', sa.Double(), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['project'], ['projects.name']),
        sa.PrimaryKeyConstraint('model'),
    )
