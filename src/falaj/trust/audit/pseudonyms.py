"""Names for people that stand in the log in their place, and that can be forgotten (`erasure`)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import AuditPseudonymRow

_PERSON, _ACCOUNT = "user:", "account/"


def pseudonyms(session: Session, names: Collection[str]) -> dict[str, str]:
    """What stands in the log in place of names.

    Args:
        session: Keeps a new pseudonym for each person that had none.
        names: Principal ids and subjects. People (`user:ana`) and their accounts (`account/ana`) become pseudonyms,
            everything else stays as it is.
    """
    pseudonym_map = _of_people(session, sorted({person for name in names if (person := _person(name))}))
    return {name: _written(name, pseudonym_map) for name in names}


def _person(name: str) -> str | None:
    if name.startswith(_ACCOUNT):
        return _PERSON + name.removeprefix(_ACCOUNT)
    return name if name.startswith(_PERSON) else None


def _written(name: str, pseudonym_map: Mapping[str, str]) -> str:
    person = _person(name)
    if person is None:
        return name
    return f"{_ACCOUNT}{pseudonym_map[person]}" if name.startswith(_ACCOUNT) else pseudonym_map[person]


def _of_people(session: Session, people: Sequence[str]) -> dict[str, str]:
    if not people:
        return {}
    query = select(AuditPseudonymRow).where(AuditPseudonymRow.principal.in_(people))
    pseudonym_map = {row.principal: row.pseudonym for row in session.scalars(query)}
    for person in people:
        if person not in pseudonym_map:
            pseudonym_map[person] = f"person:{secrets.token_hex(8)}"
            session.add(AuditPseudonymRow(pseudonym=pseudonym_map[person], principal=person))
    session.flush()
    return pseudonym_map


def names_of(session: Session, log_names: Collection[str]) -> dict[str, str]:
    """Who pseudonyms are, or their accounts, as far as that is still known."""
    bare = {name.removeprefix(_ACCOUNT) for name in log_names}
    query = select(AuditPseudonymRow).where(AuditPseudonymRow.pseudonym.in_(bare))
    names = {row.pseudonym: row.principal for row in session.scalars(query)}
    accounts = {f"{_ACCOUNT}{each}": f"{_ACCOUNT}{who.removeprefix(_PERSON)}" for each, who in names.items()}
    return names | accounts


def hidden_name(session: Session, name: str) -> str:
    """What stands in the log for a name; the name itself where nobody is hidden by it."""
    person = _person(name)
    query = select(AuditPseudonymRow).where(AuditPseudonymRow.principal == person)
    pseudonym_map = {row.principal: row.pseudonym for row in session.scalars(query)}
    return _written(name, pseudonym_map) if person in pseudonym_map else name
