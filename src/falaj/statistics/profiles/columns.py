"""Columns as they come: plain arrays, or codes into levels; what kind they are and what counts as missing.

None and NaN are missing, whichever of the two a file or a request can say. Values of the wrong type are kept apart
from missing ones, because they have another cause: `"12"` where numbers are expected is not read as 12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles.errors import ProfileError


class ProfileKind(StrEnum):
    """How a column is profiled."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True)
class Categorical:
    """A column of categories as codes, as data frames keep them; counting codes is much faster than counting texts.

    Args:
        codes: One integer a row, an index into `levels`; negative is missing.
        levels: The values that codes stand for.
    """

    codes: NDArray[np.integer]
    levels: tuple[Any, ...]

    def __len__(self) -> int:
        """Rows."""
        return len(self.codes)

    def strided(self, step: int) -> Categorical:
        """Every `step`-th row."""
        return Categorical(self.codes[::step], self.levels)


Column = NDArray[np.generic] | Categorical
Reals = NDArray[np.floating | np.integer]
"""Numbers of any width."""
Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Args:
        values: Floats or integers, one a row; NaN where there is none, or one of another type.
        wrong_type: How many are of another type.
    """

    values: Reals
    wrong_type: int = 0


def rows_of(columns: Columns) -> int:
    """The number of rows, the same in every column.

    Raises:
        ProfileError: Columns differ in length, or one is not one-dimensional.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    for name, column in columns.items():
        if isinstance(column, np.ndarray) and column.ndim != 1:
            raise ProfileError(f"column {name} has {column.ndim} dimensions, needed one", where=name)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:5])
        raise ProfileError(f"columns differ in length: {shown}", hint="give the same rows of every column")
    return next(iter(lengths.values()), 0)


def kind_of(column: Column) -> ProfileKind:
    """The kind that a column is taken for when nobody says it: numbers are numbers, all else are categories."""
    if isinstance(column, Categorical) or column.dtype.kind not in "iufO":
        return ProfileKind.CATEGORY
    if column.dtype.kind != "O":
        return ProfileKind.NUMBER
    present = [value for value in column[:10_000].tolist() if not missing(value)]
    return ProfileKind.NUMBER if present and all(is_number(value) for value in present) else ProfileKind.CATEGORY


def numbers(column: Column) -> Numbers:
    """Read a column as numbers."""
    if isinstance(column, Categorical):
        column = np.array([*column.levels, None], dtype=object)[np.where(column.codes < 0, -1, column.codes)]
    if column.dtype.kind in "iuf":
        return Numbers(cast("Reals", column))
    if column.dtype.kind != "O":
        return Numbers(np.full(len(column), np.nan), len(column))
    values = column.tolist()
    wrong = sum(not missing(value) and not is_number(value) for value in values)
    readable = (_float(value) if is_number(value) else np.nan for value in values)
    return Numbers(np.fromiter(readable, np.float64, len(values)), wrong)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # whole numbers of Python have no largest one
        return np.inf if value > 0 else -np.inf


def coded_column(column: NDArray[np.generic]) -> Categorical:
    """A plain column of categories as codes, in the order in which its levels come."""
    levels: dict[Any, int] = {}
    values = (value if hashable(value) else repr(value) for value in column.tolist())
    codes = [-1 if missing(value) else levels.setdefault(value, len(levels)) for value in values]
    return Categorical(np.array(codes, np.int64), tuple(levels))


def distinct_values(column: Column) -> tuple[dict[Any, int], int]:
    """Each value of a column with its count, and the number of missing ones."""
    if isinstance(column, Categorical):
        counts = np.bincount(_shifted(column.codes), minlength=len(column.levels) + 1)
        if len(counts) > len(column.levels) + 1:
            raise ProfileError(f"a code is not below the {len(column.levels)} levels")
        value_counts = {value: int(count) for value, count in zip(column.levels, counts[1:], strict=True) if count}
        return value_counts, int(counts[0])
    if column.dtype.kind in "iuf" or column.dtype.kind in "bSU":
        values, counts = np.unique(column, return_counts=True)
        value_counts = dict(zip(values.tolist(), counts.tolist(), strict=True))
    else:
        value_counts = _counted(column)
    absent = [value for value in value_counts if missing(value)]
    return {value: count for value, count in value_counts.items() if not missing(value)}, sum(
        value_counts[key] for key in absent
    )


def _shifted(codes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Codes that begin at 0, which is missing."""
    above: NDArray[np.integer] = np.maximum(codes, -1) + np.intp(1)
    return above


def _counted(column: NDArray[np.generic]) -> dict[Any, int]:
    values = column.tolist()
    try:
        return Counter(values)
    except TypeError:  # lists and other values that cannot be counted as they are
        return Counter(value if hashable(value) else repr(value) for value in values)


def hashable(value: Any) -> bool:
    """Whether a value can be counted as it is."""
    return value.__hash__ is not None


def missing(value: Any) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and value != value)


def is_number(value: Any) -> bool:
    """Whether a value is a number, also NaN and infinity; truth values are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """The one text of a category, the same for 1 and 1.0 and for True in every library."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def type_of(value: Any) -> str:
    """`boolean`, `number` or `text`."""
    if isinstance(value, bool | np.bool_):
        return "boolean"
    return "number" if is_number(value) else "text"
