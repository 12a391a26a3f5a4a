"""The kind of a column, found from its values (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

BOOLEAN, WHOLE, NUMBER, TEXT, NUMBERS, MIXED = "boolean", "whole", "number", "text", "numbers", "mixed"
TIME, SHORT = "time", "short"
"""Kinds of columns that no model has: a moment in UTC from Unix seconds, and a small whole number."""

_NUMERIC = frozenset({bool, int, float})


class ColumnKinds:
    """What was seen in the columns of a table, as its rows come by."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {}
        self._inner: dict[str, set[type]] = {}

    def see(self, column: str, values: Iterable[Any]) -> None:
        """Look at some values of a column."""
        value_types = self._kinds.setdefault(column, set())
        for value in values:
            value_types.add(type(value))
            if isinstance(value, list):
                self._inner.setdefault(column, set()).update(map(type, value))

    def kinds(self) -> dict[str, str]:
        """The kind of each column that was seen, in the order in which they first were."""
        return {column: self._kind(column, value_types - {type(None)}) for column, value_types in self._kinds.items()}

    def _kind(self, column: str, value_types: set[type]) -> str:
        if not value_types:
            return NUMBER  # nothing but missing values, which any kind holds
        if value_types == {list} and self._inner.get(column, set()) <= _NUMERIC | {type(None)}:
            return NUMBERS
        for kind, types in ((BOOLEAN, {bool}), (WHOLE, {int}), (NUMBER, _NUMERIC), (TEXT, {str})):
            if value_types <= types:
                return kind
        return MIXED


def as_kind(values: Sequence[Any], kind: str) -> list[Any]:
    """The values as the kind holds them: mixed ones are written as JSON."""
    if kind != MIXED:
        return list(values)
    return [None if value is None else json.dumps(value) for value in values]
