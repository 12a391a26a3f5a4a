"""Cells of a number, fixed once from the reference: about 32 of equal weight there, atoms, and what lies outside.

Counts of a block are in the order: below, cells, above, atoms, missing, not finite, wrong type. A value that is an
atom, one exact value that many reference rows have, is counted there and not in its cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from falaj.monitoring.profiles.columns import Column, Kind, numbers
from falaj.monitoring.profiles.counts import FeatureCounts, Moments
from falaj.monitoring.profiles.grids import FINE, Indices, LinearGrid, LogGrid, Room, chunks, log_grid, present

CELLS = 32
OUTER_PARTS = 8  # of the first and of the last of them
MOST_ATOMS = 8
ATOM_SHARE = 1 / 64  # of the rows: half a cell
ATOM_WIDTH = 1e-6  # relative; an atom is the same value in 32 and 64 bits
OCTAVE_PARTS = 8  # tail values are counted by eighths of an octave
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

    kind = Kind.NUMBER

    @property
    def labels(self) -> tuple[str, ...]:
        """What each count is of."""
        ends = [*self.starts, FINE + 1]
        cells = (
            f"{self.grid.value(low - 0.5):.4g} to {self.grid.value(high - 0.5):.4g}" for low, high in pairwise(ends)
        )
        atoms = (f"= {value:.6g}" for value in self.atoms)
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
        far: list[np.ndarray[Any, Any]] = []
        room, seen = Room.of(len(column)), 0
        for chunk in chunks(read.values):
            values = present(chunk)
            seen += len(values)
            index = self._index(values, room)
            part = np.bincount(index, minlength=len(places))
            if part[0] or part[FINE + 1]:
                far.append(values[np.flatnonzero((index == 0) | (index == FINE + 1))])
            places += part
        outside = np.concatenate([np.empty(0), *far])
        infinite = _take_infinite(places, outside)
        tails = _tails(outside[np.isfinite(outside)])
        return self._counts(places, tails, (len(column) - seen - read.wrong_type, infinite, read.wrong_type))

    def _index(self, values: np.ndarray[Any, Any], room: Room | None = None) -> Indices:
        """Fine index of each value; an atom's is past those of the grid."""
        index = self.grid.index(values, room)
        for number, atom in enumerate(self.atoms):
            width = abs(atom) * ATOM_WIDTH
            index[(values >= atom - width) & (values <= atom + width)] = FINE + 2 + number
        return index

    def _counts(self, places: Ints, tails: dict[int, int], extra: tuple[int, int, int]) -> FeatureCounts:
        fine, atoms = places[1 : FINE + 1], places[FINE + 2 :]
        cells = np.add.reduceat(fine, np.array(self.starts) - 1)
        counts = (places[0], *cells, places[FINE + 1], *atoms, *extra)
        everywhere = fine.copy()
        if self.atoms:
            np.add.at(everywhere, np.clip(self.grid.index(np.array(self.atoms)), 1, FINE) - 1, atoms)
        return FeatureCounts(tuple(int(count) for count in counts), Moments.of(everywhere), tails)

    def row_scores(self, column: Column) -> np.ndarray[Any, Any]:
        """Rank score of each row; 0, the middle, where there is no value."""
        values = numbers(column).values
        known = values == values
        scores = np.zeros(len(values))
        scores[known] = self._fine_scores()[self.grid.index(values[known])]
        return scores

    def _fine_scores(self) -> np.ndarray[Any, Any]:
        lengths = np.diff([0, *self.starts, FINE + 1, FINE + 2])
        return np.repeat(np.array(self.scores, np.float64), lengths)


def _take_infinite(part: Ints, outside: np.ndarray[Any, Any]) -> int:
    """Take infinite values out of the counts below and above the grid; returns how many there were."""
    low, high = (int(np.count_nonzero(outside == infinity)) for infinity in (-np.inf, np.inf))
    part[0] -= low
    part[FINE + 1] -= high
    return low + high


def _tails(outside: np.ndarray[Any, Any]) -> dict[int, int]:
    """Count finite values outside the grid by sign and size."""
    if not len(outside):
        return {}
    size = np.maximum(np.abs(outside), 2.0**-64)
    steps = np.clip(np.floor(np.log2(size) * OCTAVE_PARTS), -64 * OCTAVE_PARTS, 128 * OCTAVE_PARTS)
    keys = (steps + 64 * OCTAVE_PARTS + 1) * np.where(outside < 0, -1, 1)
    found, counts = np.unique(keys.astype(np.int64), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def tail_range(key: int) -> tuple[float, float]:
    """The values, from and to, that a tail count is of."""
    low, high = (2.0 ** ((abs(key) - 1 + step) / OCTAVE_PARTS - 64) for step in (0, 1))
    return (low, high) if key > 0 else (-high, -low)


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


def _fitted_grid(finite: np.ndarray[Any, Any]) -> LinearGrid | LogGrid:
    """The first grid that tells the reference's quantiles apart, else the one that tells most."""
    low, high = finite.min(), finite.max()
    if low == high:
        width = max(abs(low) * ATOM_WIDTH, ATOM_WIDTH)
        return LinearGrid(float(low - width), float(high + width))
    wanted = len(np.unique(np.quantile(finite, np.arange(1, CELLS) / CELLS)))
    best, most = None, 0
    for grid in _candidates(finite):
        told = len(np.unique(grid.index(np.unique(np.quantile(finite, np.arange(1, CELLS) / CELLS)))))
        if told >= 0.75 * wanted:
            return grid
        if best is None or told > most:
            best, most = grid, told
    assert best is not None
    return best


def _candidates(finite: np.ndarray[Any, Any]) -> list[LinearGrid | LogGrid]:
    tails = (0.001, 0.02)
    found: list[LinearGrid | LogGrid] = []
    for tail in tails:
        low, middle, high = (float(value) for value in np.quantile(finite, (tail, 0.5, 1 - tail)))
        if low < high:
            margin = 0.01 * (high - low)
            found.append(LinearGrid(_coarse(low - margin), _coarse(high + margin)))
        if low < middle:
            near = (middle - low) / 64
            found.append(log_grid(_coarse(low - near), 1, near / 2, high - low + near))
        if middle < high:
            near = (high - middle) / 64
            found.append(log_grid(_coarse(high + near), -1, near / 2, high - low + near))
    return found or [LinearGrid(float(finite.min()), float(finite.max()))]


def _coarse(value: float) -> float:
    """Three digits of a value, so that no exact value of a row is kept in the schema."""
    return float(f"{value:.3g}")


def _atoms(finite: np.ndarray[Any, Any], least: int) -> tuple[float, ...]:
    """Values that many rows have; none where there are so many such values that cells tell them apart anyway."""
    values, counts = np.unique(finite, return_counts=True)
    frequent = values[counts >= max(least, ATOM_SHARE * len(finite))]
    return tuple(float(value) for value in frequent) if len(frequent) <= min(MOST_ATOMS, len(values) - 1) else ()


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
