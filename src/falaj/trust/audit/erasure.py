"""Erasing what the log tells. What it proves stays: leaves hold pseudonyms and salted hashes, and are never touched."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import AuditDetailRow, AuditLeafRow, AuditPseudonymRow

_ACCOUNT = "account/"


def erase_details(session: Session, indices: Collection[int]) -> int:
    """Erase the details of entries with their salts, without which nobody can try out what they were.

    Args:
        session: The caller's transaction.
        indices: Of the entries.

    Returns:
        How many had details until now.
    """
    statement = delete(AuditDetailRow).where(AuditDetailRow.index.in_(list(indices)))
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def forget(session: Session, person: str) -> bool:
    """Erase who a pseudonym is, and the details of all entries by this person or about them.

    What the person does afterwards is logged under a new pseudonym.

    Args:
        session: The caller's transaction.
        person: Principal id, `user:<name>`.

    Returns:
        Whether the log knew the person.
    """
    pseudonym_row = session.scalar(select(AuditPseudonymRow).where(AuditPseudonymRow.principal == person))
    if pseudonym_row is None:
        return False
    shown = (pseudonym_row.pseudonym, f"{_ACCOUNT}{pseudonym_row.pseudonym}")
    about = or_(AuditLeafRow.actor.in_(shown), AuditLeafRow.subject.in_(shown))
    session.execute(delete(AuditDetailRow).where(AuditDetailRow.index.in_(select(AuditLeafRow.index).where(about))))
    session.delete(pseudonym_row)
    session.flush()
    return True
