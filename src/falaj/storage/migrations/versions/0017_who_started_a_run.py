"""Who pushed the commit of a run."""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('runs', sa.Column('started_by', sa.String(length=200), server_default='', nullable=False))
