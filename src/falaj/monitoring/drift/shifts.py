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
from dataclasses import dataclass
from typing import Any

import numpy as np

from falaj.monitoring.drift.distributions import binomial_tail, f_tail, student_tail

Array = np.ndarray[Any, np.dtype[np.float64]]
LEAST_BLOCKS = 5
LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Shift:
    """How far something moved, and how sure that is.

    Args:
        name: What moved: `location`, `cells`, `missing`, ...
        effect: Size of the move, w: about how many standard deviations.
        p_value: Chance of a move like it when nothing changed.
        beyond: Chance of it when the true move is just the minimum that matters.
    """

    name: str
    effect: float
    p_value: float
    beyond: float


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
    def shares(self) -> Array:
        """Share of each cell in all rows."""
        found: Array = self.counts.sum(axis=0) / self.total
        return found


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
    margin = minimum * deviation
    p_value = 2 * student_tail(abs(moved) / error, freedom)
    beyond = student_tail((abs(moved) - margin) / error, freedom) + student_tail((abs(moved) + margin) / error, freedom)
    return Shift(name, abs(moved) / deviation, min(1.0, p_value), min(1.0, beyond))


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


def share_shift(name: str, reference: Blocks, window: Blocks, minimum: float, calibrated: bool) -> Shift | None:
    """Compare a share: counts have two columns, of rows with and without. None where neither has any.

    A share that the reference hardly has is compared by the exact binomial test, upwards only.
    """
    if reference.counts[:, 0].sum() > reference.total / 2:  # the rare side is the one that can be counted
        reference, window = (Blocks(blocks.rows, blocks.counts[:, ::-1]) for blocks in (reference, window))
    before, after = float(reference.counts[:, 0].sum()), float(window.counts[:, 0].sum())
    pooled = (before + after) / (reference.total + window.total)
    if not after and not before:
        return None
    variance = max(pooled * (1 - pooled), 1e-12)
    if min(before, reference.total - before) >= LEAST_EXPECTED:
        values = np.array([1.0, 0.0])
        return mean_shift(name, values, variance, reference, window, minimum, calibrated)
    part = window.total / (window.total + reference.total)
    tail = binomial_tail(int(after), int(after + before), part)
    floor = (before + 1) / (reference.total + 2) + minimum**2 if before else minimum**2
    beyond = max(tail, binomial_tail(int(after), int(window.total), floor))
    effect = abs(after / window.total - before / reference.total) / math.sqrt(variance)
    return Shift(name, effect, tail, beyond)


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
    noncentrality = rows * minimum**2 / inflation * freedom / (cells - 1)
    return Shift(name, effect, f_tail(ratio, freedom, below), f_tail(ratio, freedom, below, noncentrality))


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
    left = trace**2 / squares if squares > 0 else math.inf
    return design, float(np.clip(left, 1.0, cells - 1.0))


def _residuals(blocks: Blocks, shares: Array) -> Array:
    """How far each block is from its sample's shares, in standard deviations of rows with the reference's shares."""
    known = shares > 0
    expected = np.outer(blocks.rows, blocks.shares[known])
    found: Array = (blocks.counts[:, known] - expected) / np.sqrt(np.outer(blocks.rows, shares[known]))
    return found


def _scaled(design: float, reference: Blocks, window: Blocks) -> float:
    """The design effect at the window's block size: it grows with the rows that a block holds together."""
    if reference.spread <= 1:
        return 1.0
    return 1 + (window.spread - 1) * max(0.0, design - 1) / (reference.spread - 1)
