"""The table of role bindings."""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('role_bindings',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('tenant', sa.String(length=100), nullable=False),
    sa.Column('principal', sa.String(length=200), nullable=False),
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('project', sa.String(length=200), nullable=True),
    sa.Column('environment', sa.String(length=100), nullable=True),
    sa.Column('granted_by', sa.String(length=200), nullable=False),
    sa.Column('granted_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('role_bindings_by_principal', 'role_bindings', ['tenant', 'principal'], unique=False)


def downgrade() -> None:
    op.drop_index('role_bindings_by_principal', table_name='role_bindings')
    op.drop_table('role_bindings')
