"""One column of a row group, from which the values of any part are taken as Python has them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Protocol

import msgspec

from falaj.dataplane.prediction_log.columnar.kinds import ColumnKind

_from_json = msgspec.json.Decoder().decode


class StoredColumn(Protocol):
    """Values by their table rows."""

    def values(self, start: int, stop: int) -> list[Any]:
        """Those from a row on, before another one; None where one is missing."""


def column_of(array: Any, kind: ColumnKind, whole: Any = None) -> StoredColumn:
    """What gives the values of a column.

    Args:
        array: Of Arrow.
        kind: Of the values.
        whole: Of EITHER ones, which of them are whole.
    """
    match kind:
        case ColumnKind.TEXT:
            return Texts(array)
        case ColumnKind.MIXED:
            return Json(array)
        case ColumnKind.EITHER:
            return Either(array, whole)
        case ColumnKind.NUMBERS | ColumnKind.WHOLES:
            return Lists(array)
    return Plain(array)


class Plain:
    """Numbers and truth values, many at once: one by one they would take ten times as long."""

    def __init__(self, array: Any) -> None:
        self._missing = _missing(array)
        filled = array if self._missing is None else array.fill_null(False if str(array.type) == "bool" else 0)
        self._values = filled.to_numpy(zero_copy_only=False)

    def values(self, start: int, stop: int) -> list[Any]:
        """See `StoredColumn`."""
        items: list[Any] = self._values[start:stop].tolist()
        if self._missing is not None:
            for index in self._missing[start:stop].nonzero()[0].tolist():
                items[index] = None
        return items


class Texts:
    """Texts and bytes; those that are not asked for are not made."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def values(self, start: int, stop: int) -> list[Any]:
        """See `StoredColumn`."""
        part = self._array.slice(start, stop - start)
        items: list[Any] = part.to_numpy(zero_copy_only=False).tolist()
        return items


class Json:
    """What is written as JSON."""

    def __init__(self, array: Any) -> None:
        self._texts = Texts(array)

    def values(self, start: int, stop: int) -> list[Any]:
        """See `StoredColumn`."""
        return [None if text is None else _from_json(text) for text in self._texts.values(start, stop)]


class Either:
    """Numbers of which some were written whole."""

    def __init__(self, array: Any, whole: Any) -> None:
        self._numbers, self._whole = Plain(array), Plain(whole)

    def values(self, start: int, stop: int) -> list[Any]:
        """See `StoredColumn`."""
        pairs = zip(self._numbers.values(start, stop), self._whole.values(start, stop), strict=True)
        return [int(number) if is_whole else number for number, is_whole in pairs]


class Lists:
    """Lists of numbers."""

    def __init__(self, array: Any) -> None:
        self._missing = _missing(array)
        self._ends = array.offsets.to_numpy()
        self._inner = Plain(array.values)

    def values(self, start: int, stop: int) -> list[Any]:
        """See `StoredColumn`."""
        ends = self._ends[start : stop + 1].tolist()
        flat = self._inner.values(ends[0], ends[-1])
        items: list[Any] = [flat[a - ends[0] : b - ends[0]] for a, b in pairwise(ends)]
        if self._missing is not None:
            for index in self._missing[start:stop].nonzero()[0].tolist():
                items[index] = None
        return items


def _missing(array: Any) -> Any:
    """Which values are missing, as truth values; None when none is."""
    return array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
