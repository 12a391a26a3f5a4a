"""Tables whose rows are facts: sealed when they are written, and no rows where the seal does not hold.

A class with `SealedRow` needs nothing more. A session of `Database` seals such a row in the flush that writes it, and
verifies it in the load that reads it; rows that do not hold are left out of every answer. A query that would read
columns of such a table without their row is refused, so that no reader can forget to verify.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

from sqlalchemy import JSON, Connection, Double, Engine, Float, Select, String, event, inspect, select
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import Mapped, Mapper, ORMExecuteState, Session, SessionTransaction, mapped_column, object_session
from sqlalchemy.orm.context import QueryContext

from falaj.core.errors import FalajError
from falaj.storage.facts import FactMissingError, FactRefusal, FactStore, FactSubject, Mark
from falaj.supply_chain.attestations.keyring import FACT

_TURN = "falaj.storage.facts"
_GONE = "it was made, and the database has it no more"
UNVERIFIED: Mapping[str, Any] = {"falaj_unverified": True}
"""Execution options of a query that may see rows which are no facts: to tell of them, never to act on them."""


class SideDoorError(FalajError):
    """A statement would read or change facts without verifying or sealing them: a mistake of ours."""

    code, status = "facts.side-door", 500


class SealedRow:
    """A row that is a fact.

    Attributes:
        fact_type: Type that its seal must be for, which says whose key may sign it.
        permanent: It is never deleted, so that one which is missing is not made again.
        unsealed: Columns that permit nothing: what was observed, when somebody was seen.
        ends: The column that says when the row means nothing any more by itself.
    """

    fact_type: ClassVar[str] = FACT
    permanent: ClassVar[bool] = False
    unsealed: ClassVar[frozenset[str]] = frozenset()
    ends: ClassVar[str | None] = None
    seal: Mapped[str] = mapped_column(String(200))


_Row = TypeVar("_Row", bound=SealedRow)


@dataclass(frozen=True)
class _NewFact:
    """A fact that a transaction made, and the savepoint that would undo it."""

    mark: Mark
    digest: str
    savepoint: SessionTransaction | None


@dataclass
class _Turn:
    """What a session knows of facts: when it began, and what it has made."""

    book: FactStore
    clock: int
    facts: list[_NewFact] = field(default_factory=list)

    @property
    def marks(self) -> dict[FactSubject, Mark]:
        """The newest number of each subject that was made."""
        return {each.mark.subject: each.mark for each in self.facts}

    def has_made(self, subject: FactSubject) -> bool:
        """Tell whether this very transaction made a fact about a subject."""
        return any(each.mark.subject == subject for each in self.facts)


class FactSession(Session):
    """A session that seals what it writes and verifies what it reads.

    Args:
        book: The installation's facts; None can neither write nor read a fact.
    """

    def __init__(self, bind: Engine | Connection, book: FactStore | None) -> None:
        info = {_TURN: _Turn(book, book.clock())} if book is not None else {}
        super().__init__(bind, expire_on_commit=False, info=info)

    def record_facts(self) -> None:
        """Record what was made, once it is committed."""
        turn = self.info.get(_TURN)
        if turn is not None and turn.facts:
            turn.book.record(list(turn.marks.values()))
            turn.facts.clear()


def table_of(kind: type[SealedRow]) -> str:
    """The name of a table, which is the kind of its facts."""
    return str(kind.__tablename__)  # type: ignore[attr-defined]


def subject_of(row: SealedRow) -> FactSubject:
    """What a row is about."""
    mapper = inspect(type(row))
    return FactSubject(table_of(type(row)), "/".join(str(key) for key in mapper.primary_key_from_instance(row)))


def require_standing(session: Session, subject: FactSubject, row: object | None) -> None:
    """Refuse to go on where a fact was made and is not there any more.

    Raises:
        FactMissingError: `facts.missing`.
    """
    if row is None and _turn(session).book.stands(subject):
        _turn(session).book.refuse(FactRefusal(subject.kind, subject.name, _GONE))
        raise _missing(subject)


def stands(session: Session, subject: FactSubject) -> bool:
    """Tell whether a fact was made, by this transaction or before, and not taken back."""
    turn = _turn(session)
    return turn.has_made(subject) or turn.book.stands(subject)


def is_recorded(session: Session, subject: FactSubject) -> bool:
    """Tell whether a fact stands for others, too: it was committed."""
    return not _turn(session).has_made(subject) and _turn(session).book.stands(subject)


def memory(session: Session) -> dict[FactSubject, object]:
    """What readers made of facts that stand, for all sessions of this database."""
    return _turn(session).book.memory


def require_all(session: Session, rows: Sequence[SealedRow], kind: type[SealedRow]) -> None:
    """Refuse to go on where rows are not all of a table that were made.

    Raises:
        FactMissingError: `facts.missing`.
    """
    if _turn(session).book.heights.standing(table_of(kind)) - {subject_of(row).digest for row in rows}:
        raise FactMissingError(
            f"the database does not have all {table_of(kind)} that were made",
            hint="restore the database from a backup; falaj platform drift names what differs",
        )


def made_facts(session: Session) -> list[str]:
    """The digest of every seal that a transaction has made so far, for the audit log."""
    turn = session.info.get(_TURN)
    return [each.digest for each in turn.facts] if turn is not None else []


def examine(session: Session) -> list[FactRefusal]:
    """Return every row of the sealed tables that is no fact, and every fact whose row is missing."""
    refusals: list[FactRefusal] = []
    for mapper in _sealed_mappers():
        kind: type[SealedRow] = mapper.class_
        rows = session.scalars(select(kind), execution_options=UNVERIFIED).all()
        refusals += [FactRefusal(table_of(kind), subject_of(row).name, why) for row in rows if (why := refused(row))]
        if kind.permanent:
            missing_digests = _turn(session).book.heights.standing(table_of(kind)) - {
                subject_of(row).digest for row in rows
            }
            refusals += [FactRefusal(table_of(kind), digest[:16], _GONE) for digest in missing_digests]
    return sorted(refusals)


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


def refused(row: object) -> str:
    """Why a row does not count; empty when it does."""
    return str(getattr(row, "_refused", ""))


def _turn(session: Session | None) -> _Turn:
    turn = session.info.get(_TURN) if session is not None else None
    if not isinstance(turn, _Turn):
        raise SideDoorError("this connection has no keys of facts")
    return turn


def _missing(subject: FactSubject) -> FactMissingError:
    return FactMissingError(
        f"the database does not have {subject.kind} as it was last written",
        hint="restore the database from a backup; falaj platform drift names what differs",
    )


# --- writing


@event.listens_for(SealedRow, "before_insert", propagate=True)
def _seal_new(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    _fill_defaults(row)
    subject, turn = subject_of(row), _turn(object_session(row))
    if row.permanent and turn.book.stands(subject) and not turn.has_made(subject):
        raise _missing(subject)
    _seal(row, subject, turn, 0)


@event.listens_for(SealedRow, "before_update", propagate=True)
def _seal_again(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    changed = {each.key for each in inspect(row).attrs if each.history.has_changes()}
    if changed - row.unsealed:
        turn = _turn(object_session(row))
        _seal(row, subject_of(row), turn, int(row.seal.partition(".")[0]))


@event.listens_for(SealedRow, "before_delete", propagate=True)
def _take_back(_mapper: Mapper[Any], _connection: Connection, row: SealedRow) -> None:
    subject, turn = subject_of(row), _turn(object_session(row))
    if row.permanent:
        raise SideDoorError(f"{subject.kind} are never deleted")
    _note(turn, row, subject, turn.book.next_number(subject, int(row.seal.partition(".")[0])), gone=True)


def _seal(row: SealedRow, subject: FactSubject, turn: _Turn, present: int) -> None:
    number = turn.book.next_number(subject, present)
    seal = turn.book.seal(subject, number, _content(row), row.fact_type)
    row.seal = str(seal)
    _note(turn, row, subject, number, gone=False)


def _note(turn: _Turn, row: SealedRow, subject: FactSubject, number: int, *, gone: bool) -> None:
    session = object_session(row)
    mark = Mark(subject, number, gone, getattr(row, row.ends) if row.ends else None)
    digest = hashlib.sha256(f"{row.seal}{' gone' if gone else ''}".encode()).hexdigest()
    turn.facts.append(_NewFact(mark, digest, session.get_nested_transaction() if session is not None else None))


@event.listens_for(FactSession, "after_soft_rollback")
def _forget_undone(session: Session, ended: SessionTransaction) -> None:
    """What a savepoint made is not made when it is rolled back."""
    turn = session.info.get(_TURN)
    if turn is not None:
        turn.facts[:] = [each for each in turn.facts if not _inside(each.savepoint, ended)]


def _inside(savepoint: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while savepoint is not None and savepoint is not ended:
        savepoint = savepoint.parent
    return savepoint is ended or not ended.nested


def _fill_defaults(row: SealedRow) -> None:
    """What the database would fill in is signed, too."""
    for attribute in inspect(type(row)).column_attrs:
        default = attribute.columns[0].default
        if getattr(row, attribute.key) is None and default is not None:
            setattr(row, attribute.key, default.arg(None) if default.is_callable else default.arg)


def _content(row: SealedRow) -> dict[str, object]:
    return {name: _plain(getattr(row, name), how) for name, how in _columns(type(row))}  # type: ignore[arg-type]


@cache
def _columns(kind: Any) -> tuple[tuple[str, str], ...]:
    left_out = {*kind.unsealed, "seal"}
    named = ((each.key, each.columns[0].type) for each in inspect(kind).column_attrs)
    return tuple((name, _form(column)) for name, column in named if name not in left_out)


def _form(column: object) -> str:
    if isinstance(column, Float | Double):
        return "float"
    return "json" if isinstance(column, JSON) else ""


def _plain(value: Any, how: str) -> object:
    """A value as it comes back from the database."""
    if value is None or not how:
        return value
    return float(value) if how == "float" else json.loads(json.dumps(value))


# --- reading


@event.listens_for(SealedRow, "load", propagate=True)
def _verify_loaded(row: SealedRow, context: QueryContext | None) -> None:
    if context is not None:  # else it was merged and is new, not read
        _judge(row, context.session)


@event.listens_for(SealedRow, "refresh", propagate=True)
def _verify_refreshed(row: SealedRow, context: QueryContext, _names: object) -> None:
    if reason := _judge(row, context.session):
        raise FactMissingError(f"a row of {subject_of(row).kind} was refused: {reason}", code="facts.refused")


def _judge(row: SealedRow, session: Session) -> str:
    """Note on a row whether it counts; record its number when nobody had the time to."""
    turn, subject = _turn(session), subject_of(row)
    if turn.has_made(subject):
        return ""  # written by this very transaction
    number, reason = turn.book.judge(subject, _content(row), row.seal, row.fact_type, turn.clock)
    object.__setattr__(row, "_refused", reason)
    if reason:
        turn.book.refuse(FactRefusal(subject.kind, subject.name, reason))
    elif turn.book.is_newer(subject, number):
        turn.book.record([Mark(subject, number, ends=getattr(row, row.ends) if row.ends else None)])
    return reason


@event.listens_for(FactSession, "do_orm_execute")
def _only_door(state: ORMExecuteState) -> Result[Any] | None:
    """Leave refused rows out of what a query answers, and tell the connection which tables were verified."""
    if not state.is_select:
        _refuse_bulk(state)
        return None
    places, verified = _places(state)
    state.update_execution_options(falaj_verified=verified)
    if not places or state.is_column_load or state.execution_options.get("falaj_unverified"):
        return None
    if getattr(state.statement, "_limit_clause", None) is not None:
        raise SideDoorError("a query of facts has no limit: rows that are none would count")
    return _without_refused(state.session, state.invoke_statement(), places)


def _places(state: ORMExecuteState) -> tuple[tuple[int, ...], frozenset[str]]:
    """Where in an answer facts are, and the tables that they are from."""
    descriptions = getattr(state.statement, "column_descriptions", ())
    places = [
        (place, each["entity"])
        for place, each in enumerate(descriptions)
        if each.get("expr") is each.get("entity")
        and isinstance(each["entity"], type)
        and issubclass(each["entity"], SealedRow)
    ]
    return tuple(place for place, _ in places), frozenset(table_of(kind) for _, kind in places)


def _without_refused(session: Session, result: Result[Any], places: Sequence[int]) -> Result[Any]:
    names, rows = list(result.keys()), []
    for row in result:
        bad = [row[place] for place in places if row[place] is not None and refused(row[place])]
        for each in bad:
            if each in session:
                session.expunge(each)
        if not bad:
            rows.append(tuple(row))
    answer: Result[Any] = IteratorResult(SimpleResultMetaData(names), iter(rows))
    answer._attributes = result._attributes  # says whether callers of the older API get rows or what is in them
    return answer


def _refuse_bulk(state: ORMExecuteState) -> None:
    """A statement that changes rows without loading them would leave them unsealed, or deleted without a trace."""
    if not (state.is_update or state.is_delete):
        return
    table = str(getattr(getattr(state.statement, "table", None), "name", ""))
    kind = next((each.class_ for each in _sealed_mappers() if table_of(each.class_) == table), None)
    changed = {getattr(each, "key", str(each)) for each in getattr(state.statement, "_values", None) or ()}
    if kind is not None and (state.is_delete or not changed or changed - kind.unsealed):
        raise SideDoorError(f"{table} are changed one by one, so that each is sealed")


def watch(engine: Engine) -> None:
    """Refuse queries on an engine that would read columns of facts without their rows."""
    event.listen(engine, "before_cursor_execute", _refuse_columns)


def _refuse_columns(
    _connection: Connection, _cursor: object, statement: str, _parameters: object, context: Any, _many: bool
) -> None:
    options = context.execution_options if context is not None else {}
    verified = options.get("falaj_verified")
    if verified is None or options.get("falaj_unverified"):
        return  # no query of a session, or one that says so
    if unverified_tables := _sealed_tables(statement) - verified:
        raise SideDoorError(
            f"a query reads {', '.join(sorted(unverified_tables))} without verifying it", where=statement[:200]
        )


@lru_cache(maxsize=2_000)
def _sealed_tables(statement: str) -> frozenset[str]:
    words = frozenset(re.findall(r"[a-z_]+", statement.lower()))
    return words & {table_of(mapper.class_) for mapper in _sealed_mappers()}


def _sealed_mappers() -> Iterator[Mapper[Any]]:
    from falaj.storage.tables import Base

    return (mapper for mapper in Base.registry.mappers if issubclass(mapper.class_, SealedRow))
