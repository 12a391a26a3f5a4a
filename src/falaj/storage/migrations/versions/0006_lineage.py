"""The tables of lineage edges."""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table(
        'lineage_edges',
        sa.Column('derived', sa.String(length=300), nullable=False),
        sa.Column('origin', sa.String(length=300), nullable=False),
        sa.Column('relation', sa.String(length=40), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('derived', 'origin', 'relation'),
    )
    op.create_index('lineage_by_origin', 'lineage_edges', ['origin', 'derived'])
    op.create_table(
        'served',
        sa.Column('id', _BIG_KEY, autoincrement=True, nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('change_id', sa.String(length=40), nullable=True),
        sa.Column('began_at', sa.Double(), nullable=False),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('served_by_endpoint', 'served', ['environment', 'model', 'began_at'])


def downgrade() -> None:
    op.drop_table('served')
    op.drop_table('lineage_edges')
