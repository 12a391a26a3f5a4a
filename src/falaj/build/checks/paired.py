"""Two models on the same rows, by whole blocks.

Rows of a day share the day's weather, so days are compared and not rows: with thousands of rows in twenty days there
are twenty observations, and fewer where neighbouring days are alike (`falaj.build.checks.block_means`). A mean loss is
compared by the differences of the blocks' means; a metric that is no mean (auc, f1) by the jackknife, which says what
each block contributes to the difference.

Source of the jackknife: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.block_means import FEWEST_BLOCKS, BlockMean, block_mean
from falaj.statistics.metrics import Metric, MetricError, Vector, check_rows, metric_for

USUAL_POWER = 0.8
MOST_GROUPS = 200
"""How often a metric that is no mean is computed at most to see what blocks contribute."""


@dataclass(frozen=True)
class ScoredRows:
    """Rows that both models have scored.

    Args:
        label: One a row; rows with NaN are left out.
        candidate: The candidate's score of each.
        champion: The champion's score of each.
        block: What each row belongs to, such as its day; None when rows are independent.
    """

    label: Vector
    candidate: Vector
    champion: Vector
    block: NDArray[np.generic] | None = None

    def labelled(self) -> ScoredRows:
        """The rows that have a label."""
        gone = np.isnan(self.label)
        label_mask = ~(gone.any(axis=1) if gone.ndim > 1 else gone)
        block = None if self.block is None else self.block[label_mask]
        return ScoredRows(self.label[label_mask], self.candidate[label_mask], self.champion[label_mask], block)


@dataclass(frozen=True)
class Power:
    """What a comparison could have seen.

    Attributes:
        gain: A true gain that is worth seeing.
        probability: Of seeing it in a comparison such as this one.
        detectable: The true gain that would be seen in four of five such comparisons.
    """

    gain: float
    probability: float
    detectable: float


@dataclass(frozen=True)
class PairedResult:
    """Candidate beside champion.

    Attributes:
        metric: Compared.
        candidate: Its value.
        champion: Its value.
        better_by: How much better the candidate is, in the mean of blocks; negative when it is worse.
        bounds: Two one-sided bounds of the true `better_by`; None when there are too few blocks.
        blocks: Compared.
        rows: Compared.
        mean: The gain by blocks with its error; None when there are too few blocks.
        confidence: Of each bound.
    """

    metric: str
    candidate: float
    champion: float
    better_by: float
    bounds: tuple[float, float] | None
    blocks: int
    rows: int
    mean: BlockMean | None = None
    confidence: float = 0.95

    def power(self, gain: float) -> Power | None:
        """What the comparison could have seen, for a gain that is worth seeing; None when there are too few blocks."""
        if self.mean is None:
            return None
        probability, detectable = (
            self.mean.power(gain, self.confidence),
            self.mean.detectable(USUAL_POWER, self.confidence),
        )
        return Power(gain, probability, detectable)


def paired(name: str, rows: ScoredRows, *, confidence: float = 0.95) -> PairedResult:
    """Compare two models on the same rows, by whole blocks.

    Args:
        name: Of the metric.
        rows: That both have scored.
        confidence: Of each bound, one-sided.

    Raises:
        MetricError: The metric has no value on these rows.
    """
    metric = metric_for(name, rows.candidate)
    if not len(rows.label) == len(rows.candidate) == len(rows.champion):
        raise MetricError("labels and scores have different lengths")
    rows = rows.labelled()
    for score in (rows.candidate, rows.champion):
        check_rows(metric, rows.label, score)
    weight = np.ones(len(rows.label))
    candidate, champion = (
        float(metric.compute(rows.label, score, weight)) for score in (rows.candidate, rows.champion)
    )
    block = np.arange(len(weight)) if rows.block is None else _places(rows.block)
    blocks = int(block.max()) + 1
    gain = (candidate - champion) * (1.0 if metric.higher_is_better else -1.0)
    mean = None
    if blocks >= FEWEST_BLOCKS:
        gains = _gains(metric, rows, block, gain)
        mean = None if gains is None else block_mean(gains, ordered=rows.block is not None)
    bounds = mean.bounds(confidence) if mean else None
    return PairedResult(
        name, candidate, champion, mean.mean if mean else gain, bounds, blocks, len(weight), mean, confidence
    )


def _places(block: NDArray[np.generic]) -> NDArray[np.intp]:
    """The place of each row's block in the order of blocks: by number where all are numbers, else as text sorts."""
    levels, inverse = np.unique(block, return_inverse=True)
    place: NDArray[np.intp] = inverse
    try:
        order = np.argsort(levels.astype(np.float64), kind="stable")
    except ValueError:
        return place
    rank = np.empty(len(levels), dtype=np.intp)
    rank[order] = np.arange(len(levels))
    return rank[place]


def _gains(metric: Metric, rows: ScoredRows, block: NDArray[np.intp], gain: float) -> Vector | None:
    """What each block says of the gain; None where the metric has no value without one of them."""
    if metric.row_loss is None:
        return _pseudo_values(metric, rows, block, gain)
    gains = metric.row_loss(rows.label, rows.champion) - metric.row_loss(rows.label, rows.candidate)
    means: Vector = np.bincount(block, weights=gains) / np.bincount(block)
    return means


def _pseudo_values(metric: Metric, rows: ScoredRows, block: NDArray[np.intp], gain: float) -> Vector | None:
    whole = int(block.max()) + 1
    blocks = min(whole, MOST_GROUPS)
    block = block * blocks // whole  # of very many blocks, neighbours go together
    candidate, champion = metric.by_weight(rows.label, rows.candidate), metric.by_weight(rows.label, rows.champion)
    sign = 1.0 if metric.higher_is_better else -1.0
    without = np.empty(blocks)
    with np.errstate(invalid="ignore", divide="ignore"):
        for index in range(blocks):
            weight = (block != index).astype(np.float64)
            without[index] = sign * (candidate(weight) - champion(weight))
    values: Vector = blocks * gain - (blocks - 1) * without
    return values if np.isfinite(values).all() else None
