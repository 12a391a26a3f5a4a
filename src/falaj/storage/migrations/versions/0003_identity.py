"""The tables of accounts, sessions, tokens and approval keys."""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('accounts',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('id', sa.String(length=200), nullable=False),
    sa.Column('tenant', sa.String(length=100), nullable=False),
    sa.Column('source', sa.String(length=20), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=True),
    sa.Column('groups', sa.JSON(), nullable=False),
    sa.Column('locked_at', sa.Double(), nullable=True),
    sa.Column('locked_reason', sa.String(), nullable=False),
    sa.Column('password_hash', sa.String(), nullable=True),
    sa.Column('totp_sealed', sa.String(), nullable=True),
    sa.Column('totp_confirmed', sa.Boolean(), nullable=False),
    sa.Column('totp_step', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('tenant', 'email')
    )
    op.create_table('identity_sessions',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=200), nullable=False),
    sa.Column('method', sa.String(length=20), nullable=False),
    sa.Column('authenticated_at', sa.Double(), nullable=False),
    sa.Column('step_up_at', sa.Double(), nullable=True),
    sa.Column('step_up_method', sa.String(length=20), nullable=True),
    sa.Column('expires_at', sa.Double(), nullable=False),
    sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('identity_sessions_by_account', 'identity_sessions', ['account'], unique=False)
    op.create_table('identity_tokens',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=200), nullable=False),
    sa.Column('label', sa.String(length=100), nullable=False),
    sa.Column('actions', sa.JSON(), nullable=False),
    sa.Column('audience', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('expires_at', sa.Double(), nullable=False),
    sa.Column('revoked_at', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('identity_tokens_by_account', 'identity_tokens', ['account'], unique=False)
    op.create_table('identity_links',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('account', sa.String(length=200), nullable=True),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('expires_at', sa.Double(), nullable=False),
    sa.Column('used_at', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('identity_attempts',
    sa.Column('name_digest', sa.String(length=64), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('name_digest')
    )
    op.create_table('approval_keys',
    sa.Column('seal', sa.String(length=200), nullable=False),
    sa.Column('key_id', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=200), nullable=False),
    sa.Column('pem', sa.String(), nullable=False),
    sa.Column('envelope', sa.JSON(), nullable=False),
    sa.Column('not_before', sa.Double(), nullable=False),
    sa.Column('not_after', sa.Double(), nullable=False),
    sa.Column('revoked_at', sa.Double(), nullable=True),
    sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
    sa.PrimaryKeyConstraint('key_id')
    )
    op.create_index('approval_keys_by_account', 'approval_keys', ['account'], unique=False)


def downgrade() -> None:
    op.drop_table('approval_keys')
    op.drop_table('identity_attempts')
    op.drop_table('identity_links')
    op.drop_table('identity_tokens')
    op.drop_table('identity_sessions')
    op.drop_table('accounts')
