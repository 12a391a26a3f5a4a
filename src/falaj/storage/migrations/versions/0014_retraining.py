"""The tables of retraining: requests for trainings, and what is remembered of each model."""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'training_requests',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('occasion', sa.String(length=300), nullable=False),
        sa.Column('attempt', sa.Integer(), nullable=False),
        sa.Column('times', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('cause', sa.JSON(), nullable=False),
        sa.Column('actor', sa.String(length=200), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('wake_at', sa.Double(), nullable=True),
        sa.Column('run_id', sa.String(length=40), nullable=True),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('requested_at', sa.Double(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('model', 'occasion'),
    )
    op.create_index('training_requests_by_model', 'training_requests', ['model', 'state'])
    op.create_index('training_requests_by_run', 'training_requests', ['run_id'])
    op.create_table(
        'retraining',
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('resumed_at', sa.Double(), nullable=True),
        sa.Column('resumed_by', sa.String(length=200), nullable=False),
        sa.Column('observations', sa.JSON(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('model'),
    )
