"""The tables of people from an identity provider, of logins on their way, and of security keys."""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'federation_subjects',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('issuer', sa.String(length=500), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('first_at', sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id']),
        sa.PrimaryKeyConstraint('issuer', 'subject'),
        sa.UniqueConstraint('account'),
    )
    op.create_table(
        'federation_logins',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('state_digest', sa.String(length=64), nullable=False),
        sa.Column('browser_digest', sa.String(length=64), nullable=False),
        sa.Column('issuer', sa.String(length=500), nullable=False),
        sa.Column('nonce', sa.String(length=64), nullable=False),
        sa.Column('verifier', sa.String(length=128), nullable=False),
        sa.Column('challenge', sa.String(length=43), nullable=False),
        sa.Column('return_to', sa.String(length=500), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('state_digest'),
    )
    op.create_index('federation_logins_by_end', 'federation_logins', ['expires_at'])
    op.create_table(
        'federation_grants',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('code_digest', sa.String(length=64), nullable=False),
        sa.Column('challenge', sa.String(length=43), nullable=False),
        sa.Column('person', sa.JSON(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('code_digest'),
    )
    op.create_index('federation_grants_by_end', 'federation_grants', ['expires_at'])
    op.create_table(
        'security_keys',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('id', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('credential', sa.String(), nullable=False),
        sa.Column('public_key', sa.String(), nullable=False),
        sa.Column('sign_count', sa.BigInteger(), nullable=False),
        sa.Column('label', sa.String(length=100), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('used_at', sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(['account'], ['accounts.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('security_keys_by_account', 'security_keys', ['account'])
    op.create_table(
        'security_key_ceremonies',
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.Column('challenge', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('purpose', sa.String(length=20), nullable=False),
        sa.Column('statement', sa.String(length=64), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('finished_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('challenge'),
    )
    op.create_index('security_key_ceremonies_by_account', 'security_key_ceremonies', ['account'])


def downgrade() -> None:
    op.drop_table('security_key_ceremonies')
    op.drop_table('security_keys')
    op.drop_table('federation_grants')
    op.drop_table('federation_logins')
    op.drop_table('federation_subjects')
