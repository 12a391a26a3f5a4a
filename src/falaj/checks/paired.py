"""Two models on the same rows, by whole blocks.

Rows of a day share the day's weather, so days are compared and not rows: with thousands of rows in twenty days there
are twenty observations. A mean loss is compared by Student's t on the differences of the blocks' means; a metric that
is no mean (auc, f1) by resampling whole blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from falaj.checks.metrics import Metric, MetricError, Vector, check_rows, named
from falaj.rollout.segments.student import student_quantile

FEWEST_BLOCKS = 8
RESAMPLES = 400


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
        known = ~np.isnan(self.label)
        block = None if self.block is None else self.block[known]
        return ScoredRows(self.label[known], self.candidate[known], self.champion[known], block)


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
    """

    metric: str
    candidate: float
    champion: float
    better_by: float
    bounds: tuple[float, float] | None
    blocks: int
    rows: int


def paired(name: str, rows: ScoredRows, *, rng: np.random.Generator, confidence: float = 0.95) -> PairedResult:
    """Compare two models on the same rows, by whole blocks.

    Args:
        name: Of the metric.
        rows: That both have scored.
        rng: Source of resamples.
        confidence: Of each bound, one-sided.

    Raises:
        MetricError: The metric has no value on these rows.
    """
    metric = named(name)
    if not len(rows.label) == len(rows.candidate) == len(rows.champion):
        raise MetricError("labels and scores have different lengths")
    rows = rows.labelled()
    for score in (rows.candidate, rows.champion):
        check_rows(metric, rows.label, score)
    weight = np.ones(len(rows.label))
    candidate, champion = (
        float(metric.compute(rows.label, score, weight)) for score in (rows.candidate, rows.champion)
    )
    block = np.arange(len(weight)) if rows.block is None else np.unique(rows.block, return_inverse=True)[1]
    blocks = int(block.max()) + 1
    if metric.row_loss is not None:
        gain, bounds = _by_block_means(metric, rows, block, confidence)
    else:
        gain = candidate - champion if metric.higher_is_better else champion - candidate
        bounds = _by_resampled_blocks(metric, rows, block, confidence, rng)
    return PairedResult(
        name, candidate, champion, gain, bounds if blocks >= FEWEST_BLOCKS else None, blocks, len(weight)
    )


def _by_block_means(
    metric: Metric, rows: ScoredRows, block: NDArray[np.intp], confidence: float
) -> tuple[float, tuple[float, float] | None]:
    """Student's t on the mean gain of each block."""
    assert metric.row_loss is not None
    gain = metric.row_loss(rows.label, rows.champion) - metric.row_loss(rows.label, rows.candidate)
    means = np.bincount(block, weights=gain) / np.bincount(block)
    mean = float(means.mean())
    if len(means) < FEWEST_BLOCKS:
        return mean, None
    reach = student_quantile(confidence, len(means) - 1) * float(means.std(ddof=1)) / len(means) ** 0.5
    return mean, (mean - reach, mean + reach)


def _by_resampled_blocks(
    metric: Metric, rows: ScoredRows, block: NDArray[np.intp], confidence: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    blocks = int(block.max()) + 1
    candidate, champion = metric.by_weight(rows.label, rows.candidate), metric.by_weight(rows.label, rows.champion)
    sign = 1.0 if metric.higher_is_better else -1.0
    gains = np.empty(RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        for index in range(RESAMPLES):
            weight = rng.multinomial(blocks, np.full(blocks, 1 / blocks))[block].astype(np.float64)
            gains[index] = sign * (candidate(weight) - champion(weight))
    known = gains[np.isfinite(gains)]
    if len(known) < 0.9 * RESAMPLES:
        return None
    low, high = np.quantile(known, [1 - confidence, confidence])
    return float(low), float(high)
