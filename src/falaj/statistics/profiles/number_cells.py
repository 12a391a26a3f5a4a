"""Cells of a number, fixed once from the reference: about 32 of equal weight there, atoms, and what lies outside.

Counts of a block are in the order: below, cells, above, atoms, missing, not finite, wrong type. A value that is an
atom, one exact value that many reference rows have, is counted there and not in its cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles.columns import Column, ProfileKind, Reals, numbers
from falaj.statistics.profiles.counts import FeatureCounts, Moments
from falaj.statistics.profiles.grids import (
    FINE,
    SMALLEST,
    Indices,
    LinearGrid,
    LogGrid,
    Room,
    chunks,
    linear_grid,
    log_grid,
    present,
)
from falaj.statistics.profiles.tails import count_tails, tail_range

CELLS = 32
OUTER_PARTS = 8  # of the first and of the last of them
MOST_ATOMS = 8
ATOM_SHARE = 1 / 64  # of the rows: half a cell
LARGEST = 1e150  # of what a grid reaches to; beyond it ranges have no width
EXTRA_CELLS = 3  # missing, not finite, wrong type

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class NumberCells:
    """The cells of one number.

    Args:
        name: Of the feature.
        grid: The fine grid.
        starts: Fine index, from 1, at which each cell begins.
        atoms: Exact values with a count of their own.
        scores: Rank score of below, each cell and above, whole numbers from -127 to 127.
    """

    name: str
    grid: LinearGrid | LogGrid
    starts: tuple[int, ...]
    atoms: tuple[float, ...] = ()
    scores: tuple[int, ...] = ()

    kind = ProfileKind.NUMBER

    @property
    def labels(self) -> tuple[str, ...]:
        """What each count is of."""
        ends = [*self.starts, FINE + 1]
        borders = [self.grid.value(end - 0.5) for end in ends]
        shown = [f"{value:.{digits(borders)}g}" for value in borders]
        cells = (f"{low} to {high}" for low, high in pairwise(shown))
        atoms = (f"= {value:.{digits(borders) + 2}g}" for value in self.atoms)
        return ("below", *cells, "above", *atoms, "missing", "not finite", "wrong type")

    @property
    def valued(self) -> int:
        """How many of the counts, from the first, are of values."""
        return len(self.starts) + 2 + len(self.atoms)

    @property
    def positions(self) -> tuple[float, ...]:
        """Where on the grid each count of values lies."""
        ends = [*self.starts, FINE + 1]
        cells = ((low + high - 1) / 2 for low, high in pairwise(ends))
        atoms = (float(place) for place in self.grid.index(np.array(self.atoms)))
        return (0.0, *cells, FINE + 1.0, *atoms)

    def count(self, column: Column) -> FeatureCounts:
        """Count the values of a block."""
        read = numbers(column)
        places = np.zeros(FINE + 2 + len(self.atoms), np.int64)
        far: list[Reals] = []
        room, value_count = Room.of(len(column)), 0
        for chunk in chunks(read.values):
            values = present(chunk)
            value_count += len(values)
            index = self._index(values, room)
            part = np.bincount(index, minlength=len(places))
            if part[0] or part[FINE + 1]:
                far.append(values[np.flatnonzero((index == 0) | (index == FINE + 1))])
            places += part
        outside = np.concatenate([np.empty(0), *far])
        infinite = _take_infinite(places, outside)
        tails = count_tails(outside[np.isfinite(outside)], *self.ends)
        return self._counts(places, tails, (len(column) - value_count - read.wrong_type, infinite, read.wrong_type))

    def _index(self, values: Reals, room: Room | None = None) -> Indices:
        """Fine index of each value; an atom's is past those of the grid."""
        index = self.grid.index(values, room)
        for number, atom in enumerate(self.atoms):
            index[self._is_atom(values, atom)] = FINE + 2 + number
        return index

    def _is_atom(self, values: Reals, atom: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which values are an atom, also where one of the two went through 32 bits.

        A tolerance by size alone would take 1,000,000,500 for 1,000,000,000.
        """
        with np.errstate(over="ignore"):
            single = np.float32(atom)
        if atom.is_integer() or not np.isfinite(single) or float(single) != atom:
            exact = np.asarray(values == atom)
            return exact | (values == float(single)) if np.isfinite(single) else exact
        place = int(self.grid.index(np.array([atom]))[0])
        cell = self.grid.value(place + 0.5) - self.grid.value(place - 0.5)
        width = min(float(np.spacing(np.abs(single))) / 2, cell / 4)
        return np.asarray((values >= atom - width) & (values <= atom + width))

    @property
    def ends(self) -> tuple[float, float]:
        """From where to where the grid reaches."""
        return self.grid.value(0.5), self.grid.value(FINE + 0.5)

    def tail_range(self, key: int) -> tuple[float, float]:
        """The values, from and to, that a tail count is of."""
        return tail_range(key, *self.ends)

    def _counts(self, places: Ints, tails: dict[int, int], extra: tuple[int, int, int]) -> FeatureCounts:
        fine, atoms = places[1 : FINE + 1], places[FINE + 2 :]
        cells = np.add.reduceat(fine, np.array(self.starts) - 1)
        counts = (places[0], *cells, places[FINE + 1], *atoms, *extra)
        everywhere = fine.copy()
        if self.atoms:
            np.add.at(everywhere, np.clip(self.grid.index(np.array(self.atoms)), 1, FINE) - 1, atoms)
        return FeatureCounts(tuple(int(count) for count in counts), Moments.of(everywhere), tails)

    def row_scores(self, column: Column) -> NDArray[np.float64]:
        """Rank score of each row; 0, the middle, where there is no value."""
        values = numbers(column).values
        has_value = values == values
        scores = np.zeros(len(values))
        scores[has_value] = self._fine_scores()[self.grid.index(values[has_value])]
        return scores

    def _fine_scores(self) -> NDArray[np.float64]:
        lengths = np.diff([0, *self.starts, FINE + 1, FINE + 2])
        return np.repeat(np.array(self.scores, np.float64), lengths)


def _take_infinite(part: Ints, outside: Reals) -> int:
    """Take infinite values out of the counts below and above the grid; returns how many there were."""
    low, high = (int(np.count_nonzero(outside == infinity)) for infinity in (-np.inf, np.inf))
    part[0] -= low
    part[FINE + 1] -= high
    return low + high


def digits(values: Sequence[float]) -> int:
    """How many digits tell values apart that lie far from zero beside their spread."""
    size, spread = max(map(abs, values)), max(values) - min(values)
    return 4 if size <= 0 or spread <= 0 else int(min(17, 4 + max(0, math.floor(math.log10(size / spread)))))


def fit_number(name: str, column: Column, *, least: int) -> NumberCells:
    """Fix the cells of a number.

    Args:
        name: Of the feature.
        column: Its reference values.
        least: An exact value is kept as an atom only when at least this many rows have it.
    """
    values = present(numbers(column).values)
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return NumberCells(name, LinearGrid(-1.0, 1.0), (1,), (), (-64, 0, 64))
    atoms = _atoms(finite, least)
    others = finite[~np.isin(finite, atoms)]
    grid = _fitted_grid(others if len(others) else finite)
    bare = NumberCells(name, grid, (1,), atoms)
    starts = _starts(np.bincount(bare._index(finite), minlength=FINE + 2)[1 : FINE + 1])
    fine = np.bincount(grid.index(finite), minlength=FINE + 2)
    cells = np.r_[fine[0], np.add.reduceat(fine[1:-1], np.array(starts) - 1), fine[-1]]
    return NumberCells(name, grid, starts, atoms, rank_scores(cells))


def rank_scores(counts: Ints) -> tuple[int, ...]:
    """Middle rank of each cell among the reference's rows, from -127 to 127."""
    share = counts / max(1, counts.sum())
    middle = np.cumsum(share) - share / 2
    return tuple(int(score) for score in np.rint(127 * (2 * middle - 1)))


def _fitted_grid(finite: Reals) -> LinearGrid | LogGrid:
    """The first grid that tells the reference's quantiles apart, else the one that tells most."""
    finite = np.clip(finite, -LARGEST, LARGEST)
    low, high = float(finite.min()), float(finite.max())
    if low == high:  # there is no spread to go by
        half = abs(low) / 2 or 1.0
        return linear_grid(low - half, high + half)
    points = np.unique(np.quantile(finite, np.arange(1, CELLS) / CELLS))
    grids = _candidates(finite)
    apart = [len(np.unique(grid.index(points))) for grid in grids]
    enough = [grid for grid, count in zip(grids, apart, strict=True) if count >= 0.75 * len(points)]
    return enough[0] if enough else grids[int(np.argmax(apart))]


def _candidates(finite: Reals) -> list[LinearGrid | LogGrid]:
    tails = (0.001, 0.02)
    grids: list[LinearGrid | LogGrid] = []
    for tail in tails:
        low, middle, high = (float(value) for value in np.quantile(finite, (tail, 0.5, 1 - tail)))
        spread = high - low
        if low < high:
            grids.append(linear_grid(_rounded(low - 0.01 * spread, spread), _rounded(high + 0.01 * spread, spread)))
        if low < middle:
            near = (middle - low) / 64
            grids.append(log_grid(_rounded(low - near, near), 1, near / 2, spread + near))
        if middle < high:
            near = (high - middle) / 64
            grids.append(log_grid(_rounded(high + near, near), -1, near / 2, spread + near))
    return grids or [linear_grid(float(finite.min()), float(finite.max()))]


def _rounded(value: float, scale: float) -> float:
    """A value to about a hundredth of a scale, so that no exact value of a row is kept in the schema.

    Rounding to digits of the value itself would put 1,000,000,001 and 1,000,000,002 on one place.
    """
    step = 2.0 ** (math.floor(math.log2(max(scale, SMALLEST))) - 7)
    steps = value / step
    return round(steps) * step if math.isfinite(steps) else value


def _atoms(finite: Reals, least: int) -> tuple[float, ...]:
    """Values that many rows have; none where there are so many such values that cells tell them apart anyway.

    A single value is one: whatever differs from it, by however little, is then seen.
    """
    values, counts = np.unique(finite, return_counts=True)
    frequent = values[counts >= max(least, ATOM_SHARE * len(finite))]
    most = min(MOST_ATOMS, max(1, len(values) - 1))
    return tuple(float(value) for value in frequent) if len(frequent) <= most else ()


def _starts(fine: Ints) -> tuple[int, ...]:
    """Fine index at which each cell begins, such that each holds about the same number of rows.

    The first and the last, which are wide, are cut further: rows that moved to an end can then still be told apart.
    """
    cumulated = np.cumsum(fine)
    if not cumulated[-1]:
        return (1,)
    ends = np.searchsorted(cumulated, np.arange(1, CELLS) / CELLS * cumulated[-1]) + 2
    starts = np.unique(np.r_[1, ends[ends <= FINE]])
    outer = [(starts[0], starts[1]), (starts[-1], FINE + 1)] if len(starts) > 1 else []
    parts = [np.linspace(low, high, OUTER_PARTS, endpoint=False).astype(int) for low, high in outer]
    return tuple(int(start) for start in np.unique(np.concatenate([starts, *parts])))
