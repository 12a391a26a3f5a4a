"""Which rows got labels? Where the scores of labelled rows are not those of all rows, their mean loss is another one.

Labels of predicted positives only are the usual case: a claim that was paid without a look never gets one. Losses are
then averaged within strips of scores and weighted by how many rows of the window lie in each; where rows lie in strips
without labels, nothing is known of them, and that is the answer.

Source: D. Holt, T. M. F. Smith, "Post Stratification", JRSS-A 142 (1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.segments.t_distribution import student_quantile

Vector = NDArray[np.float64]
STRIPS = 20
FEWEST_IN_STRIP = 5
UNCOVERED = 0.05
"""Share of the rows, in strips with too few labels, from which on their loss is not known."""
NOTICED = 0.05
"""Difference between the two distributions (total variation) below which they are taken for one."""


@dataclass(frozen=True)
class Strips:
    """Counts by strip of scores.

    Args:
        rows: Of all predictions.
        labelled: Of those with a label.
        losses: Sum of the losses of the latter, each in [0, 1].
    """

    rows: Vector
    labelled: Vector
    losses: Vector


def strip_of(score: Vector) -> NDArray[np.intp]:
    """The strip of each score, a probability."""
    return np.minimum(np.floor(score * STRIPS), STRIPS - 1).astype(np.intp)


def is_selective(strips: Strips) -> bool:
    """Whether labelled rows have other scores than all rows, by more than chance and by enough to matter."""
    rows, labelled = strips.rows.sum(), strips.labelled.sum()
    others = np.maximum(0.0, strips.rows - strips.labelled)
    if not labelled or not others.sum():
        return False
    shares, all_shares = strips.labelled / labelled, strips.rows / rows
    if np.abs(shares - all_shares).sum() / 2 < NOTICED:
        return False
    groups = _large_enough(strips.labelled + others, labelled, others.sum())
    both, part = (np.bincount(groups, weights=each) for each in (strips.labelled + others, strips.labelled))
    pooled, moved = both / both.sum(), part / labelled - (both - part) / others.sum()
    size = labelled * others.sum() / (labelled + others.sum())
    return bool(size * float((moved**2 / pooled).sum()) > _chi_square_quantile(len(both) - 1))


def _large_enough(rows: Vector, labelled: float, others: float) -> NDArray[np.intp]:
    """A group of each strip, neighbours together, such that each is expected to have rows enough on either side."""
    least = FEWEST_IN_STRIP * (labelled + others) / min(labelled, others)
    groups, group, filled, remaining_rows = np.zeros(len(rows), np.intp), 0, 0.0, float(rows.sum())
    for place, count in enumerate(rows):
        groups[place] = group
        filled, remaining_rows = filled + count, remaining_rows - count
        if filled >= least and remaining_rows >= least:
            group, filled = group + 1, 0.0
    return groups


def _chi_square_quantile(freedom: int) -> float:
    """What one in ten thousand exceeds, by Wilson and Hilferty."""
    if freedom < 1:
        return math.inf
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + 3.72 * math.sqrt(part)) ** 3)


def uncovered(strips: Strips) -> float:
    """Share of the rows whose strip has no label, or so few of those that it would have had that nothing is known."""
    rows = max(1.0, float(strips.rows.sum()))
    fair = strips.rows * strips.labelled.sum() / rows
    lacking = (strips.labelled == 0) | ((strips.labelled < FEWEST_IN_STRIP) & (strips.labelled < fair / 3))
    return float(strips.rows[lacking].sum() / rows)


def weighted_loss(strips: Strips, confidence: float) -> tuple[float, tuple[float, float]]:
    """The mean loss of all rows by the labels of some, and its interval; rows that are not covered are left out.

    The variance within a strip is at most m (1 - m), because losses lie in [0, 1]; m is drawn to the middle, so that a
    strip of two labels is not taken for certain.
    """
    usable = (strips.labelled > 0) & (strips.rows > 0)
    count, losses = strips.labelled[usable], strips.losses[usable]
    weight = strips.rows[usable] / strips.rows[usable].sum()
    value, middle = float(weight @ (losses / count)), (losses + 0.5) / (count + 1)
    error = math.sqrt(float(weight**2 @ (middle * (1 - middle) / count)))
    freedom = max(1, int(count.sum()) - len(count))
    reach = student_quantile((1 + confidence) / 2, freedom) * error
    return value, (max(0.0, value - reach), min(1.0, value + reach))


def weighted_by(strips: Strips) -> str:
    """What such an estimate rests on, for people."""
    return f"{int(strips.labelled.sum())} labels, which come for some scores more often, weighted by the scores"
