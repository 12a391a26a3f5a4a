"""The conditions that a search may combine, with the rows of each known by cells instead of row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.columns import Columns, SegmentColumn, read_column
from falaj.statistics.rollout.segments.errors import PredicateError
from falaj.statistics.rollout.segments.predicate import SegmentCondition

Vector = NDArray[np.float64]
CUTS = 16
MOST_LEVELS = 30


@dataclass(frozen=True)
class Feature:
    """One column cut into cells.

    Attributes:
        cell: The cell of each row.
        conditions: Each holds in whole cells.
        covers: One row a condition, one column a cell: whether the condition holds there.
    """

    cell: NDArray[np.intp]
    conditions: tuple[SegmentCondition, ...]
    covers: NDArray[np.float64]

    def sums(self, weight: Vector) -> Vector:
        """The sum of a weight over the rows that meet each condition."""
        sums: Vector = self.covers @ np.bincount(self.cell, weights=weight, minlength=self.covers.shape[1])
        return sums

    def rows(self, condition: int) -> NDArray[np.bool_]:
        """Which rows meet a condition."""
        rows: NDArray[np.bool_] = self.covers[condition, self.cell] > 0
        return rows


def features_of(columns: Columns, rows: NDArray[np.intp]) -> list[Feature]:
    """The features of a table that conditions can be made of.

    Args:
        columns: The whole table; a column of another kind than numbers or text is passed over.
        rows: Those to search in; cuts and levels are chosen from them alone.
    """
    possible_features = (_feature(columns, name, rows) for name in columns)
    return [feature for feature in possible_features if feature is not None]


def _feature(columns: Columns, name: str, rows: NDArray[np.intp]) -> Feature | None:
    try:
        column = read_column(columns, name)
    except PredicateError:
        return None
    part = SegmentColumn(name, column.values[rows], column.missing[rows], column.is_text)
    if part.is_empty:
        return None
    feature = _of_text(part) if part.is_text else _of_numbers(part)
    return feature if feature.conditions else None


def _of_text(column: SegmentColumn) -> Feature:
    """A cell for each of the most frequent levels, one for the others, the last for missing values."""
    levels, level, counts = np.unique(column.values[~column.missing], return_inverse=True, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    place = np.full(len(levels), len(frequent))
    place[frequent] = np.arange(len(frequent))
    conditions = [SegmentCondition(column.name, "==", str(levels[index])) for index in frequent]
    return _with_missing(column, place[level], conditions, np.eye(len(frequent), len(frequent) + 2))


def _of_numbers(column: SegmentColumn) -> Feature:
    """A cell between every two cuts, the last for missing values."""
    present = column.values[~column.missing]
    cuts = _cuts(present)
    above = np.arange(len(cuts) + 1) > np.arange(len(cuts))[:, None]
    covers = np.hstack([np.vstack([above, ~above]), np.zeros((2 * len(cuts), 1), dtype=bool)]).astype(float)
    ops = [(">=", cut) for cut in cuts] + [("<", cut) for cut in cuts]
    conditions = [SegmentCondition(column.name, ">=" if op == ">=" else "<", cut) for op, cut in ops]
    return _with_missing(column, np.searchsorted(cuts, present, side="right"), conditions, covers)


def _with_missing(
    column: SegmentColumn, cell: NDArray[np.intp], conditions: list[SegmentCondition], covers: Vector
) -> Feature:
    cells = np.full(len(column.values), covers.shape[1] - 1)
    cells[~column.missing] = cell
    if column.missing.any():
        conditions = [*conditions, SegmentCondition(column.name, "is missing")]
        covers = np.vstack([covers, np.eye(covers.shape[1])[-1]])
    return Feature(cells, tuple(conditions), covers)


def _cuts(values: Vector) -> list[float]:
    """Limits between distinct values: all of them if there are few, else round numbers near the quantiles."""
    finite = values[np.isfinite(values)]
    distinct = np.unique(finite)
    if len(distinct) <= CUTS:
        return [float(value) for value in distinct[1:]]
    edges = np.quantile(finite, np.linspace(0, 1, 2 * CUTS + 1))
    rounded = {
        _shortest(low, middle, high) for low, middle, high in zip(edges[:-2], edges[1:-1], edges[2:], strict=True)
    }
    return sorted(cut for cut in rounded if distinct[0] < cut <= distinct[-1])


def _shortest(low: float, middle: float, high: float) -> float:
    """The number with the fewest digits that is nearer to a quantile than the next quantiles are."""
    for digits in range(1, 16):
        rounded = float(f"{middle:.{digits}g}")
        if (low + middle) / 2 < rounded <= (middle + high) / 2:
            return rounded
    return float(middle)
