"""Did a mean, a share or a set of shares move between the reference's blocks and the window's?

Rows of a block are alike, so a mean of a window varies by two parts: one of rows, which shrinks with the rows, and one
of blocks, which shrinks only with the blocks. The reference's blocks tell the second. Where there are too few of them
(`calibrated` is false) rows are taken as independent.

Sources: analysis of variance for the part of blocks; J. Rao, A. Scott, "The analysis of categorical data from complex
sample surveys", JASA 76 (1981), first- and second-order corrections of chi-square; the minimum effect by the
noncentral distributions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from falaj.statistics.drift.combining import cauchy
from falaj.statistics.drift.distributions import binomial_tail, f_tail, normal_tail, student_tail

Array = np.ndarray[Any, np.dtype[np.float64]]
LEAST_BLOCKS = 5
LEAST_EXPECTED = 5.0
ERRORS = 2.0
"""Standard errors of the reference, by its blocks, below which no move counts.

A reference of two weeks has an error of its own, and that error is in every window that is compared with it: not
chance that evens out over windows, but one mistake that they all repeat.
"""


@dataclass(frozen=True)
class Shift:
    """How far something moved, and how sure that is.

    Args:
        name: What moved: `location`, `cells`, `missing`, ...
        effect: Size of the move, w: about how many standard deviations.
        p_value: Chance of a move like it when nothing changed.
        beyond: Chance of it when the true move is just the minimum that matters.
        least: That minimum: as asked for, and at least two standard errors of the reference.
    """

    name: str
    effect: float
    p_value: float
    beyond: float
    least: float = 0.0


@dataclass(frozen=True)
class Blocks:
    """Counts of blocks that have rows.

    Args:
        rows: Rows of each block that the counts are of.
        counts: One row a block, one column a cell.
    """

    rows: Array
    counts: Array

    @classmethod
    def of(cls, counts: Array) -> Blocks:
        """Blocks whose rows are the sum of their cells; those without any are left out."""
        rows = counts.sum(axis=1)
        return cls(rows[rows > 0], counts[rows > 0])

    @property
    def total(self) -> float:
        """Rows of all."""
        return float(self.rows.sum())

    @property
    def spread(self) -> float:
        """Rows of a typical block: the sum of squares over the sum."""
        return float((self.rows**2).sum() / self.total)

    @property
    def effective(self) -> float:
        """How many blocks of equal size vary as little as these."""
        return self.total / self.spread

    @property
    def having(self) -> int:
        """How many blocks have rows of the first cell."""
        return int(np.count_nonzero(self.counts[:, 0]))

    @property
    def shares(self) -> Array:
        """Share of each cell in all rows."""
        column_shares: Array = self.counts.sum(axis=0) / self.total
        return column_shares


def mean_shift(
    name: str, values: Array, variance: float, reference: Blocks, window: Blocks, minimum: float, calibrated: bool
) -> Shift:
    """Compare the mean of a value that each cell has.

    Args:
        name: Of the shift.
        values: The value of each cell.
        variance: Of the value over rows.
        reference: Its blocks.
        window: Its blocks.
        minimum: Smallest move that matters, in standard deviations of the value.
        calibrated: Whether blocks differ by more than their rows.
    """
    moved = float(window.shares @ values - reference.shares @ values)
    between = _between(values, variance, reference, window) if calibrated else 0.0
    error = math.sqrt(
        between * (1 / window.effective + 1 / reference.effective) + variance * (1 / window.total + 1 / reference.total)
    )
    freedom = len(reference.rows) - 1 if calibrated else math.inf
    deviation = math.sqrt(variance)
    own_error = math.sqrt(between / reference.effective + variance / reference.total)
    margin = max(minimum * deviation, ERRORS * own_error)
    p_value = 2 * student_tail(abs(moved) / error, freedom)
    beyond = student_tail((abs(moved) - margin) / error, freedom) + student_tail((abs(moved) + margin) / error, freedom)
    return Shift(name, abs(moved) / deviation, min(1.0, p_value), min(1.0, beyond), margin / deviation)


def _between(values: Array, variance: float, reference: Blocks, window: Blocks) -> float:
    """Variance of block means that their rows do not explain.

    The window's blocks count too where that makes it larger: means of some values have a long tail, and a reference
    without a block from the tail would take a window with one for a change.
    """
    parts = [_spread_of_means(values, blocks) for blocks in (reference, window)]
    alone, both = parts[0], [sum(part) for part in zip(*parts, strict=True)]
    return max(0.0, *((squares / freedom - variance) / (size / freedom) for squares, freedom, size in (alone, both)))


def _spread_of_means(values: Array, blocks: Blocks) -> tuple[float, int, float]:
    """Sum of squares between blocks, degrees of freedom, and rows that a block mean rests on times the latter."""
    means = blocks.counts @ values / blocks.rows
    differences = means - float(blocks.shares @ values)
    return float(blocks.rows @ differences**2), len(blocks.rows) - 1, blocks.total - blocks.spread


def share_shift(name: str, reference: Blocks, window: Blocks, minimum: float, calibrated: bool) -> Shift:
    """Compare a share: counts have two columns, of rows with and without.

    A share that the reference hardly has is compared upwards only: by the blocks that have it where blocks differ (a
    day without a gauge is one event, however many rows it has), else exactly by rows.
    """
    if reference.counts[:, 0].sum() > reference.total / 2:  # the rare side is the one that can be counted
        reference, window = (Blocks(blocks.rows, blocks.counts[:, ::-1]) for blocks in (reference, window))
    before, after = float(reference.counts[:, 0].sum()), float(window.counts[:, 0].sum())
    pooled = (before + after) / (reference.total + window.total)
    if not after and not before:
        return Shift(name, 0.0, 1.0, 1.0, minimum)
    variance = max(pooled * (1 - pooled), 1e-12)
    if (reference.having if calibrated else min(before, reference.total - before)) >= LEAST_EXPECTED:
        return mean_shift(name, np.array([1.0, 0.0]), variance, reference, window, minimum, calibrated)
    effect = abs(after / window.total - before / reference.total) / math.sqrt(variance)
    p_value, beyond = _rare_by_rows(before, after, reference.total, window.total, minimum)
    if calibrated:
        by_blocks = _rare_by_blocks(reference, window)
        p_value, beyond = max(p_value, by_blocks[0]), max(beyond, by_blocks[1])
    return Shift(name, effect, p_value, beyond, minimum)


def _rare_by_rows(before: float, after: float, rows_before: float, rows: float, minimum: float) -> tuple[float, float]:
    """Chance of as many rows in the window, and of as many beyond the minimum effect."""
    tail = binomial_tail(int(after), int(after + before), rows / (rows + rows_before))
    floor = (before + 1) / (rows_before + 2) + minimum**2 if before else minimum**2
    return tail, max(tail, binomial_tail(int(after), int(rows), floor))


def _rare_by_blocks(reference: Blocks, window: Blocks) -> tuple[float, float]:
    """The same of blocks that have such rows; beyond what the reference's blocks leave possible."""
    before, after, blocks = reference.having, window.having, len(window.rows)
    tail = binomial_tail(after, after + before, blocks / (blocks + len(reference.rows)))
    return tail, max(tail, binomial_tail(after, blocks, _upper_share(before, len(reference.rows))))


@lru_cache(4096)
def _upper_share(count: int, blocks: int) -> float:
    """The share at which so few of the blocks, or fewer, are as improbable as two standard errors: 2.3%.

    Source: C. Clopper, E. Pearson, "The use of confidence or fiducial limits" (1934).
    """
    low, high = count / blocks, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if 1 - binomial_tail(count + 1, blocks, middle) > normal_tail(ERRORS) else (low, middle)
        )
    return high


def level_shift(reference: Blocks, window: Blocks, minimum: float, calibrated: bool) -> Shift | None:
    """The level whose share moved most surely, judged for all levels; None where none has enough rows.

    Beside the cells at once: of forty levels one that gains four points is one part in forty of their sum.
    """
    levels = np.flatnonzero(_expected(reference, window) >= LEAST_EXPECTED)
    shifts = [_of_level(int(place), reference, window, minimum, calibrated) for place in levels]
    if not shifts:
        return None
    surest = min(shifts, key=lambda shift: (shift.beyond, shift.p_value))
    p_value, beyond = cauchy(shift.p_value for shift in shifts), cauchy(shift.beyond for shift in shifts)
    return replace(surest, p_value=p_value, beyond=beyond)


def _expected(reference: Blocks, window: Blocks) -> Array:
    """Rows of each cell that the smaller of two like samples would have."""
    counts: Array = reference.counts.sum(axis=0) + window.counts.sum(axis=0)
    return counts * min(reference.total, window.total) / (reference.total + window.total)


def _of_level(place: int, reference: Blocks, window: Blocks, minimum: float, calibrated: bool) -> Shift:
    values = np.zeros(reference.counts.shape[1])
    values[place] = 1.0
    rows = reference.counts[:, place].sum() + window.counts[:, place].sum()
    share = float(rows) / (reference.total + window.total)
    variance = max(share * (1 - share), 1e-12)
    return mean_shift("level", values, variance, reference, window, minimum, calibrated)


def cell_shift(name: str, reference: Blocks, window: Blocks, minimum: float, calibrated: bool) -> Shift | None:
    """Compare all shares at once by the two-sample chi-square; None where fewer than two cells have enough rows."""
    keep = _pooled_cells(reference, window)
    reference = Blocks(reference.rows, reference.counts @ keep)
    window = Blocks(window.rows, window.counts @ keep)
    cells = keep.shape[1]
    if cells < 2:
        return None
    rows = reference.total * window.total / (reference.total + window.total)
    pooled = (reference.counts.sum(axis=0) + window.counts.sum(axis=0)) / (reference.total + window.total)
    statistic = rows * float(((window.shares - reference.shares) ** 2 / pooled).sum())
    design, freedom = _design(reference, window) if calibrated else (1.0, cells - 1.0)
    inflation = rows * (_scaled(design, reference, window) / window.total + design / reference.total)
    below = freedom * (len(reference.rows) - 1) if calibrated else math.inf
    ratio = statistic / (cells - 1) / inflation
    effect = math.sqrt(max(0.0, (statistic - (cells - 1) * inflation) / rows))
    own_error = design * (cells - 1) / reference.total * _upper_mean(freedom)
    least = max(minimum**2, own_error)
    noncentrality = rows * least / inflation * freedom / (cells - 1)
    beyond = f_tail(ratio, freedom, below, noncentrality)
    return Shift(name, effect, f_tail(ratio, freedom, below), beyond, math.sqrt(least))


def _upper_mean(freedom: float) -> float:
    """The value that a mean of so many squares of standard errors exceeds as seldom as one does `ERRORS` squared.

    Source: E. Wilson, M. Hilferty, "The distribution of chi-square" (1931).
    """
    return float((1 - 2 / (9 * freedom) + 1.69 * math.sqrt(2 / (9 * freedom))) ** 3)


def _pooled_cells(reference: Blocks, window: Blocks) -> Array:
    """Which cells are counted together, cell by column, so that each has enough expected rows in either sample."""
    counts = reference.counts.sum(axis=0) + window.counts.sum(axis=0)
    least = LEAST_EXPECTED * (reference.total + window.total) / min(reference.total, window.total)
    order = np.argsort(counts, kind="stable")
    cumulated = np.cumsum(counts[order])
    small = int(np.count_nonzero(counts < least))
    if small and cumulated[small - 1] < least:
        small = min(len(counts), int(np.searchsorted(cumulated, least)) + 1)
    groups = np.zeros((len(counts), len(counts) - small + bool(small)))
    groups[order[:small], 0] = 1
    for column, cell in enumerate(order[small:], start=bool(small)):
        groups[cell, column] = 1
    return groups


def _design(reference: Blocks, window: Blocks) -> tuple[float, float]:
    """By how much blocks vary more than rows, and the degrees of freedom that are left of the cells."""
    cells = reference.counts.shape[1]
    alone = _residuals(reference, reference.shares)
    both = np.concatenate([alone, _residuals(window, reference.shares)])
    freedom = len(alone) - 1
    design = max(float((alone**2).sum()) / freedom, float((both**2).sum()) / (len(both) - 2)) / (cells - 1)
    if design <= 1:
        return 1.0, cells - 1.0
    products = alone @ alone.T / freedom
    trace = float(np.trace(products))
    squares = (float((products**2).sum()) - trace**2 / freedom) * freedom**2 / ((freedom - 1) * (freedom + 2))
    degrees = trace**2 / squares if squares > 0 else math.inf
    return design, float(np.clip(degrees, 1.0, cells - 1.0))


def _residuals(blocks: Blocks, shares: Array) -> Array:
    """How far each block is from its sample's shares, in standard deviations of rows with the reference's shares."""
    nonzero = shares > 0
    expected = np.outer(blocks.rows, blocks.shares[nonzero])
    residuals: Array = (blocks.counts[:, nonzero] - expected) / np.sqrt(np.outer(blocks.rows, shares[nonzero]))
    return residuals


def _scaled(design: float, reference: Blocks, window: Blocks) -> float:
    """The design effect at the window's block size: it grows with the rows that a block holds together."""
    if reference.spread <= 1:
        return 1.0
    return 1 + (window.spread - 1) * max(0.0, design - 1) / (reference.spread - 1)
