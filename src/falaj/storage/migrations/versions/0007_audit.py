"""The tables of the audit log."""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    head = op.create_table(
        'audit_head',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('edge', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.bulk_insert(head, [{'id': 1, 'size': 0, 'edge': b''}])
    op.create_table(
        'audit_leaves',
        sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('kind', sa.String(length=60), nullable=False),
        sa.Column('actor', sa.String(length=40), nullable=False),
        sa.Column('subject', sa.String(length=300), nullable=False),
        sa.Column('envelope', sa.String(length=80), nullable=True),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('index'),
    )
    op.create_index('audit_leaves_by_subject', 'audit_leaves', ['subject'])
    op.create_index('audit_leaves_by_actor', 'audit_leaves', ['actor'])
    op.create_index('ix_audit_leaves_envelope', 'audit_leaves', ['envelope'])
    op.create_table(
        'audit_details',
        sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('salt', sa.String(length=64), nullable=False),
        sa.Column('details', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('index'),
    )
    op.create_table(
        'audit_pseudonyms',
        sa.Column('pseudonym', sa.String(length=40), nullable=False),
        sa.Column('principal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('pseudonym'),
        sa.UniqueConstraint('principal'),
    )
    op.create_table(
        'audit_nodes',
        sa.Column('level', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('level', 'position'),
    )
    op.create_table(
        'audit_checkpoints',
        sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.PrimaryKeyConstraint('size'),
    )


def downgrade() -> None:
    for table in ('checkpoints', 'nodes', 'pseudonyms', 'details', 'leaves', 'head'):
        op.drop_table(f'audit_{table}')
