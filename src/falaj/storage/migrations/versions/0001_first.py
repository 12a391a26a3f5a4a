"""The first tables. Nothing was released before them, so there is nothing to bring along."""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'accounts',
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
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('tenant', 'email')
    )
    op.create_index('accounts_by_time', 'accounts', ['created_at', 'id'], unique=False)
    op.create_table(
        'admissions',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('change_id', sa.String(length=40), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('not_before', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('admissions_by_change', 'admissions', ['change_id', 'location'], unique=False)
    op.create_table(
        'alert_notes',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('alert', sa.String(length=40), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('by', sa.String(length=200), nullable=False),
        sa.Column('kind', sa.String(length=40), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_alert_notes_alert'), 'alert_notes', ['alert'], unique=False)
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
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('alerts_by_state', 'alerts', ['state', 'opened_at', 'id'], unique=False)
    op.create_index('alerts_by_endpoint', 'alerts', ['model', 'environment', 'state'], unique=False)
    op.create_index('alerts_by_time', 'alerts', ['opened_at', 'id'], unique=False)
    op.create_table(
        'announcements',
        sa.Column('event_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint('event_id')
    )
    op.create_table(
        'approvals',
        sa.Column('change_id', sa.String(length=40), nullable=False),
        sa.Column('approver', sa.String(length=200), nullable=False),
        sa.Column('key_id', sa.String(length=64), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('approved_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('change_id', 'approver')
    )
    op.create_table(
        'audit_checkpoints',
        sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.PrimaryKeyConstraint('size')
    )
    op.create_table(
        'audit_details',
        sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('salt', sa.String(length=64), nullable=False),
        sa.Column('details', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('index')
    )
    op.create_table(
        'audit_head',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('edge', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_table(
        'audit_leaves',
        sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('kind', sa.String(length=60), nullable=False),
        sa.Column('family', sa.String(length=60), nullable=False),
        sa.Column('actor', sa.String(length=40), nullable=False),
        sa.Column('subject', sa.String(length=300), nullable=False),
        sa.Column('envelope', sa.String(length=80), nullable=True),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('index')
    )
    op.create_index('audit_leaves_by_subject', 'audit_leaves', ['subject', 'index'], unique=False)
    op.create_index('audit_leaves_by_actor', 'audit_leaves', ['actor', 'index'], unique=False)
    op.create_index('audit_leaves_by_family', 'audit_leaves', ['family', 'index'], unique=False)
    op.create_index(op.f('ix_audit_leaves_envelope'), 'audit_leaves', ['envelope'], unique=False)
    op.create_table(
        'audit_nodes',
        sa.Column('level', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('hash', sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint('level', 'position')
    )
    op.create_table(
        'audit_pseudonyms',
        sa.Column('pseudonym', sa.String(length=40), nullable=False),
        sa.Column('principal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('pseudonym'),
        sa.UniqueConstraint('principal')
    )
    op.create_table(
        'regression_gates',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('metric', sa.String(length=40), nullable=False),
        sa.Column('limit', sa.Double(), nullable=False),
        sa.Column('predicate', sa.String(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('jurisdiction', sa.String(length=20), nullable=False),
        sa.Column('cause', sa.String(length=200), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('regression_gates_by_time', 'regression_gates', ['created_at', 'id'], unique=False)
    op.create_index('regression_gates_by_model', 'regression_gates', ['model', 'state'], unique=False)
    op.create_table(
        'changes',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('tenant', sa.String(length=100), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('rank', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('state', sa.String(length=40), nullable=False),
        sa.Column('requester', sa.String(length=200), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('restores', sa.String(length=40), nullable=True),
        sa.Column('opens_at', sa.Double(), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('changes_by_state', 'changes', ['state', 'created_at', 'id'], unique=False)
    op.create_index('changes_by_endpoint', 'changes', ['model', 'environment', 'created_at'], unique=False)
    op.create_index('changes_by_time', 'changes', ['created_at', 'id'], unique=False)
    op.create_table(
        'data_keys',
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
    op.create_index('data_keys_by_time', 'data_keys', ['created_at', 'id'], unique=False)
    op.create_index('data_keys_by_scope', 'data_keys', ['tenant', 'jurisdiction', 'subject'], unique=False)
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
        sa.PrimaryKeyConstraint('digest', 'source', 'classification', 'sector', 'origin', 'subject_key')
    )
    op.create_index(op.f('ix_data_labels_lowered_by'), 'data_labels', ['lowered_by'], unique=False)
    op.create_index(op.f('ix_data_labels_source'), 'data_labels', ['source'], unique=False)
    op.create_index(op.f('ix_data_labels_url'), 'data_labels', ['url'], unique=False)
    op.create_table(
        'deliveries',
        sa.Column('vendor', sa.String(length=40), nullable=False),
        sa.Column('delivery_id', sa.String(length=200), nullable=False),
        sa.Column('received_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('vendor', 'delivery_id')
    )
    op.create_table(
        'endpoint_callers',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('created_by', sa.String(length=200), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.Column('ended_by', sa.String(length=200), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('endpoint_callers_by_endpoint', 'endpoint_callers', ['model', 'environment', 'created_at', 'id'], unique=False)
    op.create_table(
        'endpoints',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('previous', sa.Integer(), nullable=True),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('plan', sa.JSON(), nullable=False),
        sa.Column('status', sa.JSON(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model')
    )
    op.create_index('endpoints_by_environment', 'endpoints', ['environment', 'model', 'location'], unique=False)
    op.create_index('endpoints_by_model', 'endpoints', ['model', 'environment', 'location'], unique=False)
    op.create_table(
        'erased_subjects',
        sa.Column('subject', sa.String(length=64), nullable=False),
        sa.Column('request', sa.String(length=40), nullable=False),
        sa.Column('erased_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('subject')
    )
    op.create_table(
        'events',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('subject', sa.String(length=200), nullable=False),
        sa.Column('kind', sa.String(length=60), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('events_by_subject', 'events', ['subject', 'id'], unique=False)
    op.create_table(
        'evidence',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('model', sa.String(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('run_id', sa.String(), nullable=False),
        sa.Column('predicate_type', sa.String(), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('evidence_by_release', 'evidence', ['model', 'number'], unique=False)
    op.create_table(
        'federation_grants',
        sa.Column('code_digest', sa.String(length=64), nullable=False),
        sa.Column('challenge', sa.String(length=43), nullable=False),
        sa.Column('person', sa.JSON(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('code_digest')
    )
    op.create_index('federation_grants_by_end', 'federation_grants', ['expires_at'], unique=False)
    op.create_table(
        'federation_logins',
        sa.Column('state_digest', sa.String(length=64), nullable=False),
        sa.Column('browser_digest', sa.String(length=64), nullable=False),
        sa.Column('issuer', sa.String(length=500), nullable=False),
        sa.Column('nonce', sa.String(length=64), nullable=False),
        sa.Column('verifier', sa.String(length=128), nullable=False),
        sa.Column('challenge', sa.String(length=43), nullable=False),
        sa.Column('return_to', sa.String(length=500), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('state_digest')
    )
    op.create_index('federation_logins_by_end', 'federation_logins', ['expires_at'], unique=False)
    op.create_table(
        'identity_attempts',
        sa.Column('name_digest', sa.String(length=64), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('last_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('name_digest')
    )
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
        sa.PrimaryKeyConstraint('digest', 'source')
    )
    op.create_index(op.f('ix_labelled_snapshots_project'), 'labelled_snapshots', ['project'], unique=False)
    op.create_table(
        'lineage_edges',
        sa.Column('derived', sa.String(length=300), nullable=False),
        sa.Column('origin', sa.String(length=300), nullable=False),
        sa.Column('relation', sa.String(length=40), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('derived', 'origin', 'relation')
    )
    op.create_index('lineage_by_origin', 'lineage_edges', ['origin', 'derived'], unique=False)
    op.create_table(
        'loss_runs',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('arm', sa.String(length=20), nullable=False),
        sa.Column('number', sa.BigInteger(), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('mean', sa.Double(), nullable=False),
        sa.Column('start', sa.Double(), nullable=False),
        sa.Column('end', sa.Double(), nullable=False),
        sa.Column('labelled_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'arm', 'number')
    )
    op.create_table(
        'monitor_windows',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('number', sa.BigInteger(), nullable=False),
        sa.Column('start', sa.Double(), nullable=False),
        sa.Column('end', sa.Double(), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('report', sa.JSON(), nullable=False),
        sa.Column('judged_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'number')
    )
    op.create_index('monitor_windows_by_end', 'monitor_windows', ['model', 'environment', 'end'], unique=False)
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
        sa.PrimaryKeyConstraint('location', 'environment', 'model')
    )
    op.create_index('monitors_by_model', 'monitors', ['model', 'environment', 'location'], unique=False)
    op.create_table(
        'notifications',
        sa.Column('event_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
        sa.Column('subscriber', sa.String(length=12), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('round', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('last_error', sa.String(length=300), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('event_id', 'subscriber')
    )
    op.create_index('notifications_by_subscriber', 'notifications', ['subscriber', 'state', 'event_id'], unique=False)
    op.create_table(
        'outbox',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('key', sa.String(length=300), nullable=False),
        sa.Column('effect', sa.String(length=60), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('not_before', sa.Double(), nullable=False),
        sa.Column('last_error', sa.String(), nullable=True),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('done_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('key')
    )
    op.create_index('outbox_due', 'outbox', ['done_at', 'not_before'], unique=False)
    op.create_table(
        'platform_drift',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('checked_at', sa.Double(), nullable=False),
        sa.Column('findings', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_table(
        'platform_secrets',
        sa.Column('name', sa.String(length=63), nullable=False),
        sa.Column('sealed', sa.Text(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.Column('updated_by', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('name')
    )
    op.create_table(
        'platform_settings',
        sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('spec', sa.JSON(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.Column('differences', sa.JSON(), nullable=False),
        sa.Column('keys', sa.JSON(), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('actor', sa.String(length=200), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('version')
    )
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
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('privacy_incidents_by_time', 'privacy_incidents', ['learned_at', 'id'], unique=False)
    op.create_index('privacy_incidents_by_deadline', 'privacy_incidents', ['notify_by', 'id'], unique=False)
    op.create_index(op.f('ix_privacy_incidents_state'), 'privacy_incidents', ['state'], unique=False)
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
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('privacy_records_by_time', 'privacy_records', ['made_at', 'id'], unique=False)
    op.create_index(op.f('ix_privacy_records_model'), 'privacy_records', ['model'], unique=False)
    op.create_table(
        'processes',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.String(length=40), nullable=False),
        sa.Column('schema_version', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=40), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('wake_at', sa.Double(), nullable=True),
        sa.Column('lease_owner', sa.String(), nullable=True),
        sa.Column('lease_expires_at', sa.Double(), nullable=False),
        sa.Column('fence', sa.Integer(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('processes_by_time', 'processes', ['kind', 'created_at', 'id'], unique=False)
    op.create_index('processes_due', 'processes', ['kind', 'wake_at'], unique=False)
    op.create_table(
        'profile_blocks',
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('arm', sa.String(length=20), nullable=False),
        sa.Column('number', sa.BigInteger(), nullable=False),
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
        sa.PrimaryKeyConstraint('location', 'environment', 'model', 'release', 'arm', 'number')
    )
    op.create_table(
        'projects',
        sa.Column('name', sa.String(length=200), nullable=False),
        sa.Column('repository', sa.String(), nullable=False),
        sa.Column('branch', sa.String(), nullable=False),
        sa.Column('vendor', sa.String(), nullable=True),
        sa.Column('webhook_secret', sa.String(), nullable=True),
        sa.Column('poll_every_s', sa.Double(), nullable=True),
        sa.Column('last_commit', sa.String(), nullable=True),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('name')
    )
    op.create_index('projects_by_time', 'projects', ['created_at', 'name'], unique=False)
    op.create_table(
        'signed_changes',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('requester', sa.String(length=200), nullable=False),
        sa.Column('restores', sa.String(length=40), nullable=True),
        sa.Column('challenge', sa.Boolean(), nullable=False),
        sa.Column('opens_at', sa.Double(), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('ended_as', sa.String(length=40), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_table(
        'release_withdrawals',
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('model', 'number')
    )
    op.create_table(
        'releases',
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('project', sa.String(), nullable=False),
        sa.Column('run_id', sa.String(), nullable=False),
        sa.Column('commit', sa.String(), nullable=False),
        sa.Column('digest', sa.String(), nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('model', 'number'),
        sa.UniqueConstraint('model', 'run_id')
    )
    op.create_index('releases_by_state', 'releases', ['state', 'created_at', 'model', 'number'], unique=False)
    op.create_index('releases_by_time', 'releases', ['created_at', 'model', 'number'], unique=False)
    op.create_index('releases_of_model', 'releases', ['model', 'created_at', 'number'], unique=False)
    op.create_table(
        'retraining',
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('resumed_at', sa.Double(), nullable=True),
        sa.Column('resumed_by', sa.String(length=200), nullable=False),
        sa.Column('observations', sa.JSON(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('model')
    )
    op.create_table(
        'role_bindings',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('tenant', sa.String(length=100), nullable=False),
        sa.Column('principal', sa.String(length=200), nullable=False),
        sa.Column('role', sa.String(length=40), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=True),
        sa.Column('environment', sa.String(length=100), nullable=True),
        sa.Column('granted_by', sa.String(length=200), nullable=False),
        sa.Column('granted_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('role_bindings_by_principal', 'role_bindings', ['tenant', 'principal'], unique=False)
    op.create_table(
        'security_key_ceremonies',
        sa.Column('challenge', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('purpose', sa.String(length=20), nullable=False),
        sa.Column('statement', sa.String(length=64), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('finished_at', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('challenge')
    )
    op.create_index('security_key_ceremonies_by_account', 'security_key_ceremonies', ['account'], unique=False)
    op.create_table(
        'served',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('environment', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('release', sa.Integer(), nullable=False),
        sa.Column('change_id', sa.String(length=40), nullable=True),
        sa.Column('began_at', sa.Double(), nullable=False),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('served_by_endpoint', 'served', ['environment', 'model', 'began_at'], unique=False)
    op.create_table(
        'subject_index',
        sa.Column('subject', sa.String(length=64), nullable=False),
        sa.Column('digest', sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint('subject', 'digest')
    )
    op.create_index('subject_index_by_digest', 'subject_index', ['digest'], unique=False)
    op.create_table(
        'subject_requests',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('kind', sa.String(length=20), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('received_at', sa.Double(), nullable=False),
        sa.Column('due_at', sa.Double(), nullable=False),
        sa.Column('closed_at', sa.Double(), nullable=True),
        sa.Column('result', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('subject_requests_by_time', 'subject_requests', ['received_at', 'id'], unique=False)
    op.create_index('subject_requests_by_deadline', 'subject_requests', ['due_at', 'id'], unique=False)
    op.create_index(op.f('ix_subject_requests_state'), 'subject_requests', ['state'], unique=False)
    op.create_table(
        'subject_secret',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('sealed', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
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
        sa.UniqueConstraint('model', 'occasion')
    )
    op.create_index('training_requests_by_model', 'training_requests', ['model', 'state'], unique=False)
    op.create_index('training_requests_by_run', 'training_requests', ['run_id'], unique=False)
    op.create_table(
        'workload_enrolments',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('part', sa.String(length=20), nullable=False),
        sa.Column('location', sa.String(length=100), nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('created_by', sa.String(length=200), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('used_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.Column('seen_at', sa.Double(), nullable=True),
        sa.Column('key_digest', sa.String(length=64), nullable=True),
        sa.Column('certified_until', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('workload_enrolments_by_key', 'workload_enrolments', ['key_digest'], unique=False)
    op.create_index('workload_enrolments_by_location', 'workload_enrolments', ['location'], unique=False)
    op.create_table(
        'approval_keys',
        sa.Column('key_id', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('pem', sa.String(), nullable=False),
        sa.Column('envelope', sa.JSON(), nullable=False),
        sa.Column('not_before', sa.Double(), nullable=False),
        sa.Column('not_after', sa.Double(), nullable=False),
        sa.Column('revoked_at', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('key_id')
    )
    op.create_index('approval_keys_by_account', 'approval_keys', ['account', 'key_id'], unique=False)
    op.create_table(
        'federation_subjects',
        sa.Column('issuer', sa.String(length=500), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('first_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('issuer', 'subject'),
        sa.UniqueConstraint('account')
    )
    op.create_table(
        'identity_links',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=False),
        sa.Column('purpose', sa.String(length=20), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=True),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('used_at', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_table(
        'identity_sessions',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('digest', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('method', sa.String(length=20), nullable=False),
        sa.Column('authenticated_at', sa.Double(), nullable=False),
        sa.Column('step_up_at', sa.Double(), nullable=True),
        sa.Column('step_up_method', sa.String(length=20), nullable=True),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('idle_s', sa.Double(), nullable=True),
        sa.Column('used_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index(
        'identity_sessions_by_account', 'identity_sessions', ['account', 'authenticated_at', 'id'], unique=False
    )
    op.create_table(
        'identity_tokens',
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
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('identity_tokens_by_account', 'identity_tokens', ['account', 'created_at', 'id'], unique=False)
    op.create_index('identity_tokens_by_time', 'identity_tokens', ['created_at', 'id'], unique=False)
    op.create_table(
        'model_owners',
        sa.Column('model', sa.String(length=200), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('since', sa.Double(), nullable=False),
        sa.Column('decided_by', sa.String(length=200), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['project'], ['projects.name'], ),
        sa.PrimaryKeyConstraint('model')
    )
    op.create_table(
        'runs',
        sa.Column('id', sa.String(length=40), nullable=False),
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('model', sa.String(), nullable=True),
        sa.Column('commit', sa.String(length=64), nullable=False),
        sa.Column('ref', sa.String(), nullable=True),
        sa.Column('trigger', sa.String(), nullable=False),
        sa.Column('params', sa.JSON(), nullable=False),
        sa.Column('dedupe', sa.String(length=200), nullable=True),
        sa.Column('started_by', sa.String(length=200), server_default='', nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('release', sa.Integer(), nullable=True),
        sa.Column('mlflow_run', sa.String(), nullable=True),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(['project'], ['projects.name'], ),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('dedupe')
    )
    op.create_index('runs_by_time', 'runs', ['created_at', 'id'], unique=False)
    op.create_index('runs_of_project', 'runs', ['project', 'created_at', 'id'], unique=False)
    op.create_index('runs_of_model', 'runs', ['model', 'created_at', 'id'], unique=False)
    op.create_index('runs_by_state', 'runs', ['state', 'created_at', 'id'], unique=False)
    op.create_table(
        'security_keys',
        sa.Column('id', sa.String(length=64), nullable=False),
        sa.Column('account', sa.String(length=200), nullable=False),
        sa.Column('credential', sa.String(), nullable=False),
        sa.Column('public_key', sa.String(), nullable=False),
        sa.Column('sign_count', sa.BigInteger(), nullable=False),
        sa.Column('label', sa.String(length=100), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('used_at', sa.Double(), nullable=True),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['account'], ['accounts.id'], ),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('security_keys_by_account', 'security_keys', ['account'], unique=False)
    op.create_table(
        'step_secrets',
        sa.Column('project', sa.String(length=200), nullable=False),
        sa.Column('name', sa.String(length=63), nullable=False),
        sa.Column('sealed', sa.Text(), nullable=False),
        sa.Column('updated_at', sa.Double(), nullable=False),
        sa.Column('updated_by', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['project'], ['projects.name'], ),
        sa.PrimaryKeyConstraint('project', 'name')
    )
    op.create_table(
        'workload_certificates',
        sa.Column('serial', sa.String(length=40), nullable=False),
        sa.Column('enrolment', sa.String(length=40), nullable=False),
        sa.Column('issued_at', sa.Double(), nullable=False),
        sa.Column('expires_at', sa.Double(), nullable=False),
        sa.Column('seal', sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(['enrolment'], ['workload_enrolments.id'], ),
        sa.PrimaryKeyConstraint('serial')
    )
    op.create_index('workload_certificates_by_enrolment', 'workload_certificates', ['enrolment'], unique=False)
    op.create_table(
        'step_runs',
        sa.Column('run_id', sa.String(length=40), nullable=False),
        sa.Column('node', sa.String(length=200), nullable=False),
        sa.Column('kind', sa.String(), nullable=False),
        sa.Column('state', sa.String(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('detail', sa.JSON(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(['run_id'], ['runs.id'], ),
        sa.PrimaryKeyConstraint('run_id', 'node')
    )
    op.create_table(
        'step_orders',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('run_id', sa.String(length=40), nullable=False),
        sa.Column('executor', sa.String(length=100), nullable=False),
        sa.Column('fence', sa.Integer(), nullable=False),
        sa.Column('state', sa.String(length=20), nullable=False),
        sa.Column('document', sa.JSON(), nullable=False),
        sa.Column('cpu', sa.Double(), nullable=False),
        sa.Column('memory_bytes', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
        sa.Column('worker', sa.String(length=100), nullable=True),
        sa.Column('lease', sa.String(length=64), nullable=True),
        sa.Column('lease_expires_at', sa.Double(), nullable=False),
        sa.Column('data_key', sa.String(length=40), nullable=False),
        sa.Column('receipt', sa.JSON(), nullable=True),
        sa.Column('reason', sa.String(), nullable=False),
        sa.Column('created_at', sa.Double(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=True),
        sa.Column('ended_at', sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(['run_id'], ['runs.id'], ),
        sa.PrimaryKeyConstraint('key')
    )
    op.create_index('step_orders_by_run', 'step_orders', ['run_id'], unique=False)
    op.create_index('step_orders_waiting', 'step_orders', ['executor', 'state', 'created_at'], unique=False)
    op.create_table(
        'step_output',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('text', sa.String(), nullable=False),
        sa.ForeignKeyConstraint(['key'], ['step_orders.key'], ),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('step_output_by_order', 'step_output', ['key', 'id'], unique=False)
    op.create_table(
        'step_uploads',
        sa.Column('key', sa.String(length=64), nullable=False),
        sa.Column('lease', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(['key'], ['step_orders.key'], ),
        sa.PrimaryKeyConstraint('key', 'lease', 'name')
    )
    op.bulk_insert(
        sa.table('audit_head', sa.column('id', sa.Integer), sa.column('size', sa.Integer), sa.column('edge', sa.LargeBinary)),
        [{'id': 1, 'size': 0, 'edge': b''}],
    )
