"""Sealing: each row in the flush that writes it, and a record for each that is deleted."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, event, inspect
from sqlalchemy.orm import Mapper, Session, object_session

from falaj.storage.facts import FactSubject, Mark
from falaj.storage.sealed.rows import SealedRow, SideDoorError, content_of, subject_of
from falaj.storage.sealed.session import NewFact, SessionFacts, facts_in, missing_error

_Row = TypeVar("_Row", bound=SealedRow)


def delete_each(session: Session, query: Select[Any]) -> int:
    """Delete the facts that a query finds, each with a record that it was taken back; return how many."""
    rows = session.scalars(query.with_for_update()).all()
    for row in rows:
        session.delete(row)
    session.flush()
    return len(rows)


def take_one(session: Session, query: Select[_Row]) -> _Row | None:
    """Delete the one fact that a query finds and return it; of two that take it at once one gets it."""
    row = session.scalars(query.with_for_update()).first()
    if row is not None:
        session.delete(row)
        session.flush()
    return row


@event.listens_for(SealedRow, "before_insert", propagate=True)
def _seal_new(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    _fill_defaults(row)
    subject, facts = subject_of(row), facts_in(object_session(row))
    if row.permanent and facts.store.stands(subject) and not facts.has_made(subject):
        raise missing_error(subject)
    _seal(row, subject, facts, 0)


@event.listens_for(SealedRow, "before_update", propagate=True)
def _seal_again(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    changed = {each.key for each in inspect(row).attrs if each.history.has_changes()}
    if changed - row.unsealed:
        facts = facts_in(object_session(row))
        _seal(row, subject_of(row), facts, int(row.seal.partition(".")[0]))


@event.listens_for(SealedRow, "before_delete", propagate=True)
def _take_back(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    subject, facts = subject_of(row), facts_in(object_session(row))
    if row.permanent:
        raise SideDoorError(f"{subject.kind} are never deleted")
    _note(facts, row, subject, facts.store.next_number(subject, int(row.seal.partition(".")[0])), gone=True)


def _seal(row: SealedRow, subject: FactSubject, facts: SessionFacts, present: int) -> None:
    number = facts.store.next_number(subject, present)
    seal = facts.store.seal(subject, number, content_of(row), row.fact_type)
    row.seal = str(seal)
    _note(facts, row, subject, number, gone=False)


def _note(facts: SessionFacts, row: SealedRow, subject: FactSubject, number: int, *, gone: bool) -> None:
    session = object_session(row)
    mark = Mark(subject, number, gone, getattr(row, row.ends) if row.ends else None)
    digest = hashlib.sha256(f"{row.seal}{' gone' if gone else ''}".encode()).hexdigest()
    facts.new.append(NewFact(mark, digest, session.get_nested_transaction() if session is not None else None))


def _fill_defaults(row: SealedRow) -> None:
    """What the database would fill in is signed, too."""
    for attribute in inspect(type(row)).column_attrs:
        default = attribute.columns[0].default
        if getattr(row, attribute.key) is None and default is not None:
            setattr(row, attribute.key, default.arg(None) if default.is_callable else default.arg)
