"""Columns of captured rows as numbers or as text, whatever they come in as."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.errors import PredicateError

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentColumn:
    """One value a row, all of one kind.

    Attributes:
        name: As in the rows.
        values: Numbers (missing ones are NaN), or text (missing ones are empty).
        missing: Which rows have no value: None or NaN.
        is_text: Whether the values are text. A column in which every value is missing is of either kind.
    """

    name: str
    values: NDArray[Any]
    missing: Mask
    is_text: bool

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return bool(self.missing.all())


def read_column(columns: Columns, name: str) -> SegmentColumn:
    """One column by its name.

    Raises:
        PredicateError: There is no such column, or it holds neither numbers nor text.
    """
    if name not in columns:
        nearest = difflib.get_close_matches(name, columns, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(sorted(columns))[:200] or 'none'}"
        raise PredicateError(f"the rows have no column {name!r}", hint=hint)
    raw_column = np.asarray(columns[name], dtype=None if isinstance(columns[name], np.ndarray) else object)
    if raw_column.ndim != 1:
        raise PredicateError(f"column {name!r} has {raw_column.ndim} dimensions", hint="one value a row")
    if raw_column.dtype.kind in "biuf":
        return _numbers(name, raw_column)
    if raw_column.dtype.kind in "UO":
        return _of_objects(name, raw_column)
    raise PredicateError(f"column {name!r} holds {raw_column.dtype}", hint="numbers, booleans or text")


def _numbers(name: str, raw_column: NDArray[Any]) -> SegmentColumn:
    values = raw_column.astype(np.float64)
    return SegmentColumn(name, values, np.isnan(values), is_text=False)


def _of_objects(name: str, raw_column: NDArray[Any]) -> SegmentColumn:
    cells = [None if _is_missing(cell) else cell for cell in raw_column.tolist()]
    missing = np.array([cell is None for cell in cells], dtype=bool)
    if all(cell is None or isinstance(cell, Real | np.bool_) for cell in cells):
        return SegmentColumn(name, _floats(name, cells), missing, is_text=False)
    text = np.array(["" if cell is None else str(cell) for cell in cells], dtype=object)
    return SegmentColumn(name, text, missing, is_text=True)


def _floats(name: str, cells: list[Any]) -> NDArray[np.float64]:
    try:
        return np.array([math.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    except OverflowError:
        raise PredicateError(f"column {name!r} holds a number that is too large for a float") from None


def _is_missing(cell: object) -> bool:
    return cell is None or (isinstance(cell, float | np.floating) and math.isnan(cell))


def count_rows(columns: Columns) -> int:
    """How many rows the columns have.

    Raises:
        PredicateError: They do not all have the same number.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise PredicateError(f"the columns have different numbers of rows: {sorted(lengths)[:5]}")
    return lengths.pop() if lengths else 0
