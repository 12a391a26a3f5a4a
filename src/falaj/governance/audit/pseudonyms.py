"""Names for people that stand in the log in their place, and that can be forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import AuditPseudonymRow

_PERSON = "user:"


def pseudonyms(session: Session, names: Collection[str]) -> dict[str, str]:
    """The pseudonym of each person among names, made where there is none; services and workloads keep their names."""
    people = sorted(name for name in names if name.startswith(_PERSON))
    if not people:
        return {}
    query = select(AuditPseudonymRow).where(AuditPseudonymRow.principal.in_(people))
    known = {row.principal: row.pseudonym for row in session.scalars(query)}
    for person in people:
        if person not in known:
            known[person] = f"person:{secrets.token_hex(8)}"
            session.add(AuditPseudonymRow(pseudonym=known[person], principal=person))
    session.flush()
    return known


def forget(session: Session, person: str) -> bool:
    """Erase who a pseudonym is; entries and proofs stay as they are. False when nothing was known."""
    statement = delete(AuditPseudonymRow).where(AuditPseudonymRow.principal == person)
    return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def names_of(session: Session, found: Collection[str]) -> dict[str, str]:
    """Who pseudonyms are, as far as that is still known."""
    query = select(AuditPseudonymRow).where(AuditPseudonymRow.pseudonym.in_(set(found)))
    return {row.pseudonym: row.principal for row in session.scalars(query)}
