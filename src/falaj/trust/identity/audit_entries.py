"""Leaves of the audit log about identities, in the transaction of the change that they record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from falaj.trust.audit import record
from falaj.trust.audit.record import Outcome


def note(
    session: Session,
    kind: str,
    actor: str,
    subject: str,
    now: float,
    details: Mapping[str, Any] | None = None,
    *,
    outcome: Outcome = "done",
) -> None:
    """Record a change of an identity.

    Args:
        session: The transaction of the change.
        kind: Such as `account.locked`.
        actor: Principal id of who did it.
        subject: Principal id of whom it is about.
        now: Unix seconds.
        details: What else to say; no secrets.
        outcome: `denied` for an attempt that was refused.
    """
    record.write(session, kind, actor, _account(subject), now, details, outcome=outcome)


def note_evidence(session: Session, envelope: Mapping[str, Any], person: str, now: float) -> None:
    """Record a signed statement about a person, so that proofs can show that it was said in the open."""
    record.write_evidence(session, envelope, _account(person), person, now)


def _account(principal: str) -> str:
    return f"account/{principal.partition(':')[2]}"
