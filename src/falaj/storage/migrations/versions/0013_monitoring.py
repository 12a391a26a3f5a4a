"""The tables of monitoring: blocks of counts, losses, what monitors remember and find, alerts and their notes."""

import sqlalchemy as sa
from alembic import op


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'profile_blocks',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('arm', sa.String(length=20), nullable=False),
        sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('start', sa.Double(), nullable=False),
        sa.Column('end', sa.Double(), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('final', sa.Boolean(), nullable=False),
        sa.Column('revision', sa.BigInteger(), nullable=False),
        sa.Column('least', sa.Integer(), nullable=False),
        sa.Column('features', sa.JSON(), nullable=True),
        sa.Column('predictions', sa.JSON(), nullable=True),
        sa.Column('losses', sa.JSON(), nullable=True),
        sa.Column('received_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'arm', 'number'),
    )
    op.create_table(
        'loss_runs',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('arm', sa.String(length=20), nullable=False),
        sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('mean', sa.Double(), nullable=False),
        sa.Column('start', sa.Double(), nullable=False),
        sa.Column('end', sa.Double(), nullable=False),
        sa.Column('labelled_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'arm', 'number'),
    )
    op.create_table(
        'monitors',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(length=40), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('state', sa.JSON(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model'),
    )
    op.create_table(
        'monitor_windows',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('start', sa.Double(), nullable=False),
        sa.Column('end', sa.Double(), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('report', sa.JSON(), nullable=False),
        sa.Column('judged_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'number'),
    )
    op.create_table(
        'alerts',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('tenant', sa.String(length=100), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('cause', sa.String(length=40), nullable=False),
        sa.Column('severity', sa.String(length=20), nullable=False),
        sa.Column('opened_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.Column('resolved_at', sa.Double(), nullable=True),
        sa.Column('muted_until', sa.Double(), nullable=True),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('alerts_by_endpoint', 'alerts', ['model', 'environment', 'state'])
    op.create_index('ix_alerts_state', 'alerts', ['state'])
    op.create_table(
        'alert_notes',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('alert', sa.String(length=40), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('by', sa.String(length=200), nullable=False),
        sa.Column('kind', sa.String(length=40), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_alert_notes_alert', 'alert_notes', ['alert'])


def downgrade() -> None:
    op.drop_table('alert_notes')
    op.drop_table('alerts')
    op.drop_table('monitor_windows')
    op.drop_table('monitors')
    op.drop_table('loss_runs')
    op.drop_table('profile_blocks')
