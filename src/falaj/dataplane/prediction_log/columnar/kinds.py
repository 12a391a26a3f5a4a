"""The kind of a column: what it can hold so that each value is read back as it was, its type included (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

_NONE = type(None)
_INT64 = (-(2**63), 2**63 - 1)
_EXACT_IN_FLOAT = (-(2**53), 2**53)


class Kind(StrEnum):
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
        self._seen: set[type] = set()
        self._inner: set[type] = set()
        self._least, self._most = 0, 0

    def see(self, values: Sequence[Any]) -> None:
        """Look at some values."""
        seen = set(map(type, values))
        self._seen |= seen
        if int in seen:
            self._range([value for value in values if type(value) is int])
        for value in values if list in seen else ():
            if type(value) is list:
                self._inner.update(map(type, value))
                self._range([each for each in value if type(each) is int])

    def kind(self) -> Kind:
        """What holds all of them."""
        match self._seen - {_NONE}, self._inner:
            case set() as seen, _ if not seen:
                return Kind.NOTHING
            case seen, inner if seen == {list}:
                return self._list_kind(inner)
            case seen, _ if seen == {bool}:
                return Kind.BOOLEAN
            case seen, _ if seen == {int} and self._within(_INT64):
                return Kind.WHOLE
            case seen, _ if seen == {float}:
                return Kind.NUMBER
            case seen, _ if seen == {int, float} and self._within(_EXACT_IN_FLOAT):
                return Kind.EITHER
            case seen, _ if seen == {str}:
                return Kind.TEXT
        return Kind.MIXED

    def _list_kind(self, inner: set[type]) -> Kind:
        if inner <= {float}:
            return Kind.NUMBERS
        return Kind.WHOLES if inner == {int} and self._within(_INT64) else Kind.MIXED

    def _range(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._least, self._most = min(self._least, *numbers), max(self._most, *numbers)

    def _within(self, limits: tuple[int, int]) -> bool:
        return limits[0] <= self._least and self._most <= limits[1]
