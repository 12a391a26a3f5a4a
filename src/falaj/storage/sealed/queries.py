"""The one door to facts: queries that load whole rows, whose refused ones are left out; no other statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import IteratorResult, Result
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import ORMExecuteState, Session

from falaj.storage.sealed.reading import refused
from falaj.storage.sealed.rows import SealedRow, SideDoorError, sealed_mappers, table_of
from falaj.storage.sealed.session import FactSession


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
    kind = next((each.class_ for each in sealed_mappers() if table_of(each.class_) == table), None)
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
    return words & {table_of(mapper.class_) for mapper in sealed_mappers()}
