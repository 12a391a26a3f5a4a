"""What rooms write to the audit log, at the end of the transaction of the change that is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy.orm import Session

from falaj.trust import audit

Outcome = Literal["done", "denied"]


def write(
    session: Session,
    kind: str,
    actor: str,
    subject: str,
    now: float,
    details: Mapping[str, Any] | None = None,
    *,
    outcome: Outcome = "done",
) -> None:
    """Write an entry; if the log fails, the change fails with it.

    Args:
        session: The transaction of the change.
        kind: Such as `account.locked`.
        actor: Principal id of who did it.
        subject: What it is about, such as `account/ana`.
        now: Unix seconds.
        details: What else to say; no secrets.
        outcome: `denied` for an attempt that was refused.
    """
    audit.defer(session, [audit.AuditEntry(kind, actor, subject, dict(details or {}), outcome)], now)


def write_evidence(session: Session, envelope: Mapping[str, Any], subject: str, actor: str, now: float) -> None:
    """Write that a statement was signed, so that proofs can show that it was said in the open.

    Args:
        session: The transaction that keeps the envelope.
        envelope: The signed statement.
        subject: What it is about.
        actor: Principal id of who caused it.
        now: Unix seconds.
    """
    audit.defer(session, [audit.AuditEntry.of_envelope(envelope, subject, actor)], now)
