"""The tables of keys at rest and the secrets of steps."""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('data_keys',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('tenant', sa.String(length=100), nullable=False),
    sa.Column('jurisdiction', sa.String(length=20), nullable=False),
    sa.Column('subject', sa.String(length=200), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('root', sa.String(length=300), nullable=False),
    sa.Column('wrapped', sa.Text(), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('changed_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('data_keys_by_scope', 'data_keys', ['tenant', 'jurisdiction', 'subject'], unique=False)
    op.create_table('step_secrets',
    sa.Column('project', sa.String(), nullable=False),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('updated_at', sa.Double(), nullable=False),
    sa.Column('updated_by', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['project'], ['projects.name'], ),
    sa.PrimaryKeyConstraint('project', 'name')
    )


def downgrade() -> None:
    op.drop_table('step_secrets')
    op.drop_index('data_keys_by_scope', table_name='data_keys')
    op.drop_table('data_keys')
