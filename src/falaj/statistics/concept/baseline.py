"""What losses are held against: the reference's, with its own uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from falaj.core.json_record import JsonRecord
from falaj.statistics.comparison import upper_bound
from falaj.statistics.concept.blocks import LossBlocks, Vector
from falaj.statistics.concept.errors import BaselineError
from falaj.statistics.rollout.segments.t_distribution import student_quantile

FEWEST_BLOCKS = 8
BELOW, ABOVE = 2.0, 4.0  # standard deviations of block means that the scale reaches to; beyond, they are clipped


@dataclass(frozen=True)
class Baseline(JsonRecord):
    """The loss that a release is expected to have, as a limit that the true one is below.

    Block means vary little, and a bet on numbers that stay within a small part of [0, 1] can win little. So they are
    scaled to where the reference's lie and clipped; single rows are taken as they are.

    Attributes:
        mean: Mean loss of the reference.
        limit: Upper bound of the mean scaled loss of the reference, plus the tolerance; in (0, 1).
        low: The loss that is 0 on the scale.
        high: The loss that is 1 on the scale.
        tolerance: By how much the mean loss may rise without an alarm.
        run_length: Blocks from one false alarm to the next, on average at least.
        blocks: Blocks of the reference.
        rows: Rows of a block of the reference, the median.
    """

    mean: float
    limit: float
    low: float
    high: float
    tolerance: float
    run_length: float
    blocks: int
    rows: float

    @property
    def promise(self) -> str:
        """What the detector promises, in words."""
        unit = "labelled rows" if self.rows == 1 else f"blocks of about {self.rows:.0f} labelled rows"
        return (
            f"as long as losses are like the reference's ({self.mean:.4g}), at most one false alarm in "
            f"{self.run_length:.0f} {unit} on average"
        )

    def scaled(self, mean: Vector) -> Vector:
        """Block means on the scale."""
        scaled: Vector = np.clip((mean - self.low) / (self.high - self.low), 0, 1)
        return scaled


def calibrate(
    reference: LossBlocks, *, run_length: float = 1000.0, tolerance: float = 0.0, confidence: float = 0.9
) -> Baseline:
    """Take the loss of a reference as what is expected.

    Args:
        reference: Losses of the acceptance data, or of the first weeks in service, cut into blocks in the same way as
            those that will be judged.
        run_length: Promised blocks from one false alarm to the next, on average, at least.
        tolerance: By how much the mean loss may rise without an alarm.
        confidence: That the limit is above the true mean of the reference, at least 0.5. More of it makes false alarms
            rarer than promised and delays longer, much longer where the reference is short.

    Raises:
        BaselineError: There are fewer than `FEWEST_BLOCKS` blocks, or no loss could be above the limit.
    """
    if len(reference) < FEWEST_BLOCKS:
        raise BaselineError(
            f"the reference has {len(reference)} blocks of losses, and {FEWEST_BLOCKS} are needed",
            hint="shorter blocks, or a longer reference",
        )
    if not (run_length >= 1 and tolerance >= 0 and 0.5 <= confidence < 1):
        raise BaselineError("run_length is at least 1, tolerance at least 0, confidence from 0.5 to below 1")
    rows = float(np.median(reference.rows))
    mean, low, high = float(np.average(reference.mean, weights=reference.stake)), 0.0, 1.0
    if rows > 1:
        spread = float(reference.mean.std(ddof=1))
        low, high = max(0.0, mean - BELOW * spread), min(1.0, mean + ABOVE * spread)
        if not low < high:  # nothing varied: no scale to go by
            low, high = 0.0, 1.0
    bound = _bound_of_rows if rows == 1 else _bound_of_blocks
    limit = bound(reference, low, high, confidence) + tolerance / (high - low)
    if not limit < 1:
        raise BaselineError(f"no loss could show that {mean:.4g} is exceeded by more than {tolerance:g}")
    return Baseline(mean, max(limit, math.ulp(1.0)), low, high, tolerance, run_length, len(reference), rows)


def _bound_of_rows(reference: LossBlocks, low: float, high: float, confidence: float) -> float:
    """By betting, right for any distribution; where each row has the stake that it will be bet with."""
    scaled = np.clip((reference.mean - low) / (high - low), 0, 1)
    centre = float(np.average(scaled, weights=reference.stake))
    bound = upper_bound(centre + reference.stake * (scaled - centre), 1 - confidence)
    return centre + (bound - centre) / float(reference.stake.mean())


def _bound_of_blocks(reference: LossBlocks, low: float, high: float, confidence: float) -> float:
    """By Student's t: blocks are few and their means near to normal, and betting would need ten times as many."""
    scaled = np.clip((reference.mean - low) / (high - low), 0, 1)
    error = float(scaled.std(ddof=1)) / len(scaled) ** 0.5
    bound: float = scaled.mean() + student_quantile(confidence, len(scaled) - 1) * error
    return bound
