"""The tables of privacy: records, labelled snapshots, the index of subjects, requests, incidents."""

import sqlalchemy as sa
from alembic import op


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'privacy_records',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.String(length=40), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('made_at', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('withdrawn_at', sa.Double(), nullable=True),
        sa.Column('withdrawn_by', sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_privacy_records_model', 'privacy_records', ['model'])
    op.create_table(
        'labelled_snapshots',
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('source', sa.String(length=300), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('classification', sa.String(length=40), nullable=False),
        sa.Column('sector', sa.String(length=40), nullable=False),
        sa.Column('origin', sa.String(length=20), nullable=False),
        sa.Column('subject_key', sa.String(length=200), nullable=False),
        sa.Column('filename', sa.String(), nullable=False),
        sa.Column('first_at', sa.Double(), nullable=False),
        sa.Column('indexed_at', sa.Double(), nullable=True),
        sa.Column('subjects', sa.Integer(), nullable=True),
        sa.Column('note', sa.String(), nullable=False),
        sa.Column('erased_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('digest', 'source'),
    )
    op.create_index('ix_labelled_snapshots_project', 'labelled_snapshots', ['project'])
    op.create_table(
        'subject_index',
        sa.Column('subject', sa.String(length=64), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint('subject', 'digest'),
    )
    op.create_index('subject_index_by_digest', 'subject_index', ['digest'])
    op.create_table(
        'subject_secret',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('sealed', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_table(
        'erased_subjects',
        sa.Column('subject', sa.String(length=64), nullable=False),
        sa.Column('request', sa.String(length=40), nullable=False),
        sa.Column('erased_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('subject'),
    )
    op.create_table(
        'subject_requests',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('received_at', sa.Double(), nullable=False),
        sa.Column('due_at', sa.Double(), nullable=False),
        sa.Column('closed_at', sa.Double(), nullable=True),
        sa.Column('result', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_subject_requests_state', 'subject_requests', ['state'])
    op.create_table(
        'privacy_incidents',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('title', sa.String(length=200), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('learned_at', sa.Double(), nullable=False),
        sa.Column('notify_by', sa.Double(), nullable=False),
        sa.Column('notified_at', sa.Double(), nullable=True),
        sa.Column('closed_at', sa.Double(), nullable=True),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_privacy_incidents_state', 'privacy_incidents', ['state'])


def downgrade() -> None:
    op.drop_table('privacy_incidents')
    op.drop_table('subject_requests')
    op.drop_table('erased_subjects')
    op.drop_table('subject_secret')
    op.drop_table('subject_index')
    op.drop_table('labelled_snapshots')
    op.drop_table('privacy_records')
