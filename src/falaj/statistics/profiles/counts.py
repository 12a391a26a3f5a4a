"""What a block counts of one feature, and how two counts become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.profiles.distinct import Distinct


@dataclass(frozen=True)
class Moments:
    """Sums of the fine indices of the values on the grid: whole numbers, so that merging loses nothing.

    Args:
        values: How many.
        total: Sum of their indices.
        squares: Sum of the squares.
    """

    values: int = 0
    total: int = 0
    squares: int = 0

    @classmethod
    def of(cls, fine: NDArray[np.integer]) -> Moments:
        """The moments of counts by fine index, which begins at 1."""
        index = np.arange(1.0, len(fine) + 1)  # sums of floats are exact up to 2^53: eight thousand million rows
        return cls(int(fine.sum()), int(fine @ index), int(fine @ index**2))

    def merge(self, other: Moments) -> Moments:
        """The moments of both."""
        return Moments(self.values + other.values, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """Mean fine index; NaN without values."""
        return self.total / self.values if self.values else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation in fine cells; NaN without values."""
        if not self.values:
            return float("nan")
        # exact whole numbers: the difference of two nearly equal floats would say that a stuck value moves
        spread = self.values * self.squares - self.total**2
        return float(spread**0.5 / self.values)


@dataclass(frozen=True)
class FeatureCounts:
    """The counts of one feature in a block.

    Args:
        counts: In the order that the feature's cells name.
        moments: Of numbers on the grid.
        tails: Values outside the grid, by side, distance and size; see `tails`.
        distinct: Estimate of the number of different categories.
        frequent: Unseen categories that several rows have, with their counts; never leaves a location.
    """

    counts: tuple[int, ...]
    moments: Moments = Moments()
    tails: Mapping[int, int] = field(default_factory=dict)
    distinct: Distinct | None = None
    frequent: Mapping[str, int] = field(default_factory=dict)

    def merge(self, other: FeatureCounts) -> FeatureCounts:
        """The counts of both."""
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        return FeatureCounts(
            counts,
            self.moments.merge(other.moments),
            summed(self.tails, other.tails),
            _merged(self.distinct, other.distinct),
            summed(self.frequent, other.frequent),
        )


def summed(left_counts: Mapping[Any, int], right: Mapping[Any, int]) -> dict[Any, int]:
    """Add counts by key, in the order of the keys."""
    keys = sorted({*left_counts, *right})
    return {key: left_counts.get(key, 0) + right.get(key, 0) for key in keys}


def _merged(left_distinct: Distinct | None, right: Distinct | None) -> Distinct | None:
    if left_distinct is None or right is None:
        return left_distinct or right
    return left_distinct.merge(right)
