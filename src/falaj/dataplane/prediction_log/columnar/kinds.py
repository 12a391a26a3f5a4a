"""The kind of a column: what it can hold so that each value is read back as it was, its type included (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

_NONE = type(None)
_INT64 = (-(2**63), 2**63 - 1)
_EXACT_IN_FLOAT = (-(2**53), 2**53)


class ColumnKind(StrEnum):
    """What all values of a column are, where they are not missing."""

    NOTHING = "nothing"
    BOOLEAN = "boolean"
    WHOLE = "whole"
    NUMBER = "number"
    EITHER = "either"
    """Whole numbers and others, as JSON has them: a column says which are whole."""
    TEXT = "text"
    NUMBERS = "numbers"
    WHOLES = "wholes"
    MIXED = "mixed"
    """Anything else, as JSON for who reads the file; where JSON does not hold a value, the whole record is kept."""


class KindSurvey:
    """What was seen in one column, as its values come by."""

    def __init__(self) -> None:
        self._kinds: set[type] = set()
        self._inner: set[type] = set()
        self._least, self._most = 0, 0

    def see(self, values: Sequence[Any]) -> None:
        """Look at some values."""
        value_types = set(map(type, values))
        self._kinds |= value_types
        if int in value_types:
            self._range([value for value in values if type(value) is int])
        for value in values if list in value_types else ():
            if type(value) is list:
                self._inner.update(map(type, value))
                self._range([each for each in value if type(each) is int])

    def kind(self) -> ColumnKind:
        """What holds all of them."""
        match self._kinds - {_NONE}, self._inner:
            case set() as value_types, _ if not value_types:
                return ColumnKind.NOTHING
            case value_types, inner if value_types == {list}:
                return self._list_kind(inner)
            case value_types, _ if value_types == {bool}:
                return ColumnKind.BOOLEAN
            case value_types, _ if value_types == {int} and self._within(_INT64):
                return ColumnKind.WHOLE
            case value_types, _ if value_types == {float}:
                return ColumnKind.NUMBER
            case value_types, _ if value_types == {int, float} and self._within(_EXACT_IN_FLOAT):
                return ColumnKind.EITHER
            case value_types, _ if value_types == {str}:
                return ColumnKind.TEXT
        return ColumnKind.MIXED

    def _list_kind(self, inner: set[type]) -> ColumnKind:
        if inner <= {float}:
            return ColumnKind.NUMBERS
        return ColumnKind.WHOLES if inner == {int} and self._within(_INT64) else ColumnKind.MIXED

    def _range(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._least, self._most = min(self._least, *numbers), max(self._most, *numbers)

    def _within(self, limits: tuple[int, int]) -> bool:
        return limits[0] <= self._least and self._most <= limits[1]
