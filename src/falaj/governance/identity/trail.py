"""Leaves of the audit log about identities, in the transaction of the change that they record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy.orm import Session


def note(
    session: Session,
    kind: str,
    actor: str,
    subject: str,
    now: float,
    details: Mapping[str, Any] | None = None,
    *,
    outcome: Literal["done", "denied"] = "done",
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
    try:
        from falaj.governance import audit  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return
    said = dict(details or {})
    audit.append(session, audit.Entry(kind, actor, f"account/{subject.partition(':')[2]}", said, outcome), now)


def note_evidence(session: Session, envelope: Mapping[str, Any], person: str, now: float) -> None:
    """Record a signed statement about a person, so that proofs can show that it was said in the open."""
    try:
        from falaj.governance import audit  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return
    audit.append_evidence(session, [envelope], f"account/{person.partition(':')[2]}", person, now)
