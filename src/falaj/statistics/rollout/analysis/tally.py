"""Counts that carry all evidence about rates: per step and weight, for each series and arm.

The bet on the arm of an event needs of the past only how many events each arm had under each weight. So memory grows
with the distinct pairs of step and weight, not with requests; counts are exact, and it does not matter how requests
were cut into batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.analysis.batch import Flags, Numbers

Counts = NDArray[np.int64]  # series x arm (0 stable, 1 canary); series 0 is all rows


@dataclass(frozen=True)
class Cell:
    """What happened in one step under one weight."""

    step: int
    weight: float
    counts: Counts


@dataclass(frozen=True)
class Tally:
    """Counts of some series of events.

    Attributes:
        series: How many series, with the one of all rows first.
        cells: By step and weight, in order of appearance.
    """

    series: int
    cells: tuple[Cell, ...] = ()

    def add(self, step: int, weight: float, counts: Counts) -> Tally:
        """The tally with counts added to one cell."""
        cells = list(self.cells)
        for index in range(len(cells) - 1, -1, -1):
            if cells[index].step == step and cells[index].weight == weight:
                cells[index] = Cell(step, weight, cells[index].counts + counts)
                return Tally(self.series, tuple(cells))
        return Tally(self.series, (*cells, Cell(step, weight, counts)))

    def total(self) -> Counts:
        """Counts over all cells, series x arm."""
        nothing = np.zeros((self.series, 2), dtype=np.int64)
        return sum((cell.counts for cell in self.cells), nothing)

    def arrays(self) -> tuple[NDArray[np.int64], Numbers, Counts]:
        """Steps (cells), weights (cells) and counts (cells x series x arm)."""
        steps = np.array([cell.step for cell in self.cells], dtype=np.int64)
        weights = np.array([cell.weight for cell in self.cells], dtype=np.float64)
        counts = np.array([cell.counts for cell in self.cells], dtype=np.int64)
        return steps, weights, counts.reshape(len(self.cells), self.series, 2)

    def to_json(self) -> list[Any]:
        """Plain lists."""
        return [[cell.step, cell.weight, cell.counts.tolist()] for cell in self.cells]

    @staticmethod
    def from_json(series: int, document: Sequence[Any]) -> Tally:
        """What `to_json` made."""
        cells = (Cell(step, weight, np.array(counts, dtype=np.int64)) for step, weight, counts in document)
        return Tally(series, tuple(cells))


def by_weight(weight: Numbers) -> Mapping[float, Flags | slice]:
    """Which rows have which weight; nearly always all have one."""
    if len(weight) == 0:
        return {}
    if weight[0] == weight[-1] and (weight == weight[0]).all():
        return {float(weight[0]): slice(None)}
    return {float(value): weight == value for value in np.unique(weight)}


def count_arms(candidate: Flags, event: Flags) -> Counts:
    """Events of stable and of the canary."""
    both, on_candidate = np.count_nonzero(event), np.count_nonzero(event & candidate)
    return np.array([both - on_candidate, on_candidate], dtype=np.int64)


def count_above(candidate: Flags, values: Numbers, cuts: Sequence[float]) -> Counts:
    """Per cut, how many values of each arm are above it."""
    return np.array([count_arms(candidate, values > cut) for cut in cuts])


def count_bins(candidate: Flags, values: Numbers, cuts: Sequence[float]) -> Counts:
    """Per bin between cuts, how many values of each arm; a value on a cut is in the bin above, NaN in none."""
    has_value = ~np.isnan(values)
    place = 2 * np.searchsorted(np.asarray(cuts), values[has_value], side="right") + candidate[has_value]
    return np.bincount(place, minlength=2 * (len(cuts) + 1)).reshape(-1, 2).astype(np.int64)
