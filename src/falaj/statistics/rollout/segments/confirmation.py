"""Is the mean loss of a segment larger than elsewhere, on rows that were not used to find the segment?

Blocks, not rows, are taken to be independent: all rows of a day share the day's weather. The standard error is the one
of a difference of two ratio means over clusters; a row without a block is a block of its own.

Source: W. Cochran, "Sampling Techniques" (3rd ed., 1977), chapters 6 and 9 (ratio means, variance over clusters).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.t_distribution import student_tail

Vector = NDArray[np.float64]
FEWEST_BLOCKS = 8


@dataclass(frozen=True)
class Contrast:
    """The mean loss inside a segment beside that outside.

    Attributes:
        inside: Mean of the rows of the segment.
        outside: Mean of the others.
        rows: Rows inside.
        p_value: One-sided, of "inside is not larger than outside".
    """

    inside: float
    outside: float
    rows: int
    p_value: float

    @property
    def effect(self) -> float:
        """How much larger the mean loss is inside."""
        return self.inside - self.outside


def contrast(loss: Vector, inside: NDArray[np.bool_], block: NDArray[np.intp]) -> Contrast:
    """Compare the rows of a segment with the others.

    Args:
        loss: One finite number a row.
        inside: Which rows are in the segment; some are and some are not.
        block: The block of each row, counted from 0.

    Returns:
        With `p_value` 1 when there are fewer than `FEWEST_BLOCKS` blocks on either side: too few to tell.
    """
    means = float(loss[inside].mean()), float(loss[~inside].mean())
    sides = [np.unique(block[side]).size for side in (inside, ~inside)]
    if min(sides) < FEWEST_BLOCKS:
        return Contrast(*means, int(inside.sum()), 1.0)
    pull = np.where(inside, (loss - means[0]) / inside.sum(), -(loss - means[1]) / (~inside).sum())
    totals = np.bincount(block, weights=pull)
    blocks = int(np.unique(block).size)
    error = math.sqrt(blocks / (blocks - 1) * float(totals @ totals))
    return Contrast(*means, int(inside.sum()), _tail(means[0] - means[1], error, min(sides)))


def _tail(difference: float, error: float, blocks: int) -> float:
    """Never below what a sign test of as many blocks can say: flags that do not vary have no error to go by."""
    least = 0.5**blocks
    if error == 0:
        return least if difference > 0 else 1.0
    return max(student_tail(difference / error, blocks - 1), least)
