"""Every label that data was ever given."""

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'data_labels',
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('source', sa.String(length=300), nullable=False),
        sa.Column('classification', sa.String(length=40), nullable=False),
        sa.Column('sector', sa.String(length=40), nullable=False),
        sa.Column('origin', sa.String(length=20), nullable=False),
        sa.Column('subject_key', sa.String(length=200), nullable=False),
        sa.Column('url', sa.String(), nullable=False),
        sa.Column('first_at', sa.Double(), nullable=False),
        sa.Column('lowered_by', sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint('digest', 'source', 'classification', 'sector', 'origin', 'subject_key'),
    )
    op.create_index('ix_data_labels_source', 'data_labels', ['source'])
    op.create_index('ix_data_labels_url', 'data_labels', ['url'])
    op.create_index('ix_data_labels_lowered_by', 'data_labels', ['lowered_by'])
