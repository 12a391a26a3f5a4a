"""The non-decreasing map from score to probability that fits labels best, by pooling adjacent violators.

Source: R. Barlow, D. Bartholomew, J. Bremner and H. Brunk, "Statistical Inference under Order Restrictions" (1972),
chapter 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.core.json_record import JsonRecord

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class IsotonicMap(JsonRecord):
    """A non-decreasing function, straight between its knots and level beyond them.

    Attributes:
        score: Where the knots are, increasing.
        value: What it is there, non-decreasing.
        rows: From how many rows that is known: those that were pooled.
    """

    score: tuple[float, ...]
    value: tuple[float, ...]
    rows: tuple[float, ...]

    def __call__(self, score: Vector) -> Vector:
        """The function at these scores."""
        return np.interp(score, self.score, self.value)

    def variance(self, score: Vector, weight: Vector) -> float:
        """Variance of a weighted sum of values that comes from the labels which the map was fitted to.

        Args:
            score: Where the values are taken.
            weight: Of each.
        """
        knot = np.maximum(np.searchsorted(self.score, score, side="right") - 1, 0)
        value, rows = np.array(self.value), np.array(self.rows)
        pool = np.flatnonzero(np.diff(value, prepend=-1))[np.cumsum(np.diff(value, prepend=-1) > 0) - 1]
        together = np.bincount(pool[knot], weights=weight, minlength=len(value))
        return float((together**2 * value * (1 - value) / rows).sum())


def fit_isotonic(score: Vector, label: Vector) -> IsotonicMap:
    """Fit it by least squares.

    Args:
        score: At least one, finite.
        label: One a score.
    """
    knots, which, counts = np.unique(score, return_inverse=True, return_counts=True)
    means = np.bincount(which, weights=label) / counts
    first, pooled, sizes = _pool(means, counts.astype(np.float64))
    last = np.append(first[1:], len(knots)) - 1
    places = np.unique(np.concatenate([first, last]))
    pool = np.searchsorted(first, places, side="right") - 1
    return IsotonicMap(*(tuple(column.tolist()) for column in (knots[places], pooled[pool], sizes[pool])))


def _pool(means: Vector, weights: Vector) -> tuple[NDArray[np.intp], Vector, Vector]:
    """First index, mean and weight of each pool, after every pool that is above its successor was merged with it."""
    pools: list[tuple[int, float, float]] = []
    for index, (mean, weight) in enumerate(zip(means.tolist(), weights.tolist(), strict=True)):
        start, total, size = index, mean * weight, weight
        while pools and pools[-1][1] * size >= total * pools[-1][2]:  # its mean is not below, without a division
            earlier = pools.pop()
            start, total, size = earlier[0], total + earlier[1], size + earlier[2]
        pools.append((start, total, size))
    first, totals, sizes = (np.array(column) for column in zip(*pools, strict=True))
    return first.astype(np.intp), totals / sizes, sizes
