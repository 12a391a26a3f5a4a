"""The control plane's database: its tables, its migrations and the sessions that write to it.

SQLite (WAL) in the embedded installation, PostgreSQL in the scaled one; the same tests run on both. Other rooms write
through `Database.transaction`, so that a state change and what follows from it are one commit.
"""

from falaj.storage import (
    audit_tables,
    caller_tables,
    change_tables,
    executor_tables,
    federation_tables,
    identity_tables,
    key_tables,
    lineage_tables,
    monitoring_tables,
    notification_tables,
    ownership_tables,
    policy_tables,
    privacy_tables,
    regression_gate_tables,
    retraining_tables,
    settings_tables,
    workload_tables,
)
from falaj.storage.database import Database, known_revisions
from falaj.storage.tables import (
    Base,
    Delivery,
    EndpointRow,
    EventRow,
    EvidenceRow,
    OutboxRow,
    ProcessRow,
    ProjectRow,
    ReleaseRow,
    ReleaseWithdrawalRow,
    RunRow,
    StepRunRow,
)

__all__ = [
    "Base",
    "Database",
    "Delivery",
    "EndpointRow",
    "EventRow",
    "EvidenceRow",
    "OutboxRow",
    "ProcessRow",
    "ProjectRow",
    "ReleaseRow",
    "ReleaseWithdrawalRow",
    "RunRow",
    "StepRunRow",
    "audit_tables",
    "caller_tables",
    "change_tables",
    "executor_tables",
    "federation_tables",
    "identity_tables",
    "key_tables",
    "known_revisions",
    "lineage_tables",
    "monitoring_tables",
    "notification_tables",
    "ownership_tables",
    "policy_tables",
    "privacy_tables",
    "regression_gate_tables",
    "retraining_tables",
    "settings_tables",
    "workload_tables",
]
