"""The leaves of the audit log that an apply writes, in its own transaction: if the log fails, nothing is applied."""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.storage.settings_tables import SettingsRow
from falaj.trust.audit import record


def write_leaves(session: Session, row: SettingsRow) -> None:
    """Write who applied which version, and the envelope that says so.

    Args:
        session: The transaction that adds the version.
        row: The version.
    """
    subject = f"platform@{row.version}"
    details = {"version": row.version, "digest": row.digest, "paths": [each["path"] for each in row.differences]}
    record.write(session, "platform.applied", row.actor, subject, row.at, details)
    if row.envelope:
        record.write_evidence(session, row.envelope, subject, row.actor, row.at)
