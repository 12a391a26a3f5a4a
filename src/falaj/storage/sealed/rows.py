"""Rows that are facts: what of them is signed, and whom they are about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import JSON, Double, Float, String, inspect
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from falaj.core.errors import FalajError
from falaj.storage.facts import FactSubject
from falaj.supply_chain.attestations.keyring import FACT


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


def table_of(kind: type[SealedRow]) -> str:
    """The name of a table, which is the kind of its facts."""
    return str(kind.__tablename__)  # type: ignore[attr-defined]


def subject_of(row: SealedRow) -> FactSubject:
    """What a row is about."""
    mapper = inspect(type(row))
    return FactSubject(table_of(type(row)), "/".join(str(key) for key in mapper.primary_key_from_instance(row)))


def content_of(row: SealedRow) -> dict[str, object]:
    """What of a row is signed."""
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


def sealed_mappers() -> Iterator[Mapper[Any]]:
    """Every sealed table, however a class came to be sealed: one that were left out could be read unverified."""
    return (mapper for kind in _kinds_of(SealedRow) if (mapper := inspect(kind, raiseerr=False)) is not None)


def _kinds_of(kind: type[SealedRow]) -> Iterator[type[SealedRow]]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _kinds_of(derived)
