"""How good is a model of which few labels have come, or none?

Without labels: confidence that was calibrated on the reference (CBPE, as in NannyML). It is right as long as
scores mean what they meant, and cannot see a change of concept. With 100 labels or more: prediction-powered inference,
which is right whatever the scores mean, because the labelled rows correct the estimate; it needs the labelled rows to
be a fair sample of the window, so their scores are compared with those of the others (see `selection`). Inputs far
from the reference and no labels: unknown, and that is what it says.

Sources: NannyML's documentation, "Performance estimation" (CBPE); A. Angelopoulos, S. Bates, C. Fannjiang, M. Jordan
and T. Zrnic, "Prediction-powered inference", Science 382 (2023); A. Angelopoulos, J. Duchi and T. Zrnic, "PPI++:
efficient prediction-powered inference", arXiv 2311.01453 (the tuning).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.performance.calibration import ESTIMATED, Calibration, expected_loss, fitted_variance, true_loss
from falaj.statistics.performance.intervals import Measured, Method, measure, unknown
from falaj.statistics.performance.joining import PerformanceRowsError
from falaj.statistics.performance.selection import (
    STRIPS,
    UNCOVERED,
    Strips,
    is_selective,
    strip_of,
    uncovered,
    weighted_by,
    weighted_loss,
)
from falaj.statistics.rollout.segments.t_distribution import student_quantile

Vector = NDArray[np.float64]
FEWEST_LABELS = 100
NEARLY_ALL = 0.95
HIGHER_IS_BETTER = frozenset({"accuracy"})


@dataclass(frozen=True)
class EstimationWindow:
    """Predictions of a window.

    Args:
        score: Probabilities as the model says them.
        label: 0 or 1; NaN where there is none yet.
        block: The block of each row, from 0, where rows of one are alike; None when rows are independent.
        far_from_reference: Whether the inputs are so unlike the reference's that scores may mean anything.

    Raises:
        PerformanceRowsError: Lengths differ, or a score is not a probability.
    """

    score: Vector
    label: Vector
    block: NDArray[np.intp] | None = None
    far_from_reference: bool = False

    def __post_init__(self) -> None:
        if len(self.score) != len(self.label) or (self.block is not None and len(self.block) != len(self.score)):
            raise PerformanceRowsError("scores, labels and blocks have different lengths")
        if not ((self.score >= 0) & (self.score <= 1)).all():
            raise PerformanceRowsError("a score is not a probability")

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return ~np.isnan(self.label)


def estimate(
    metric: str,
    window: EstimationWindow,
    calibration: Calibration | None,
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Measured:
    """The metric of a window by the best means that its labels allow.

    Args:
        metric: `brier` or `accuracy`; others need labels.
        window: The predictions.
        calibration: Of the release, or None when it has none.
        rng: Source of the order of rows where all are labelled.
        confidence: Of the interval.
    """
    labelled = window.labelled
    if labelled.sum() > 0 and labelled.mean() >= NEARLY_ALL:
        block = None if window.block is None else window.block[labelled]
        label, score = window.label[labelled], window.score[labelled]
        return measure(metric, label, score, confidence=confidence, rng=rng, block=block)
    if metric not in ESTIMATED:
        return unknown(metric, f"{metric} needs labels, and {labelled.sum()} of {len(labelled)} rows have one")
    if calibration is None:
        return unknown(metric, "the release came without a calibration")
    if labelled.sum() >= FEWEST_LABELS:
        return _prediction_powered(metric, window, calibration, confidence)
    return _by_confidence(metric, window, calibration, confidence)


def _by_confidence(metric: str, window: EstimationWindow, calibration: Calibration, confidence: float) -> Measured:
    if not len(window.score):
        return unknown(metric, "the window has no rows")
    if window.far_from_reference:
        return unknown(metric, "inputs are far from the reference: what its scores mean is not known")
    rows = len(window.score)
    mean, variance = expected_loss(metric, calibration.map(window.score), window.score)
    by_labels = float(variance.sum()) / rows**2 + fitted_variance(metric, calibration, window.score)
    error = math.sqrt(max(by_labels, _between_blocks(metric, window, calibration)))
    rests_on = "as long as scores mean what they meant in the reference"
    return _measured(metric, float(mean.mean()), error, confidence, "calibrated-confidence", rests_on)


def _between_blocks(metric: str, window: EstimationWindow, calibration: Calibration) -> float:
    """Variance of the estimate's error between blocks, for as many blocks as the window has."""
    if not calibration.blocks:
        return 0.0
    blocks = 1 if window.block is None else len(np.unique(window.block))
    return calibration.spread[metric] ** 2 * (1 / blocks + 1 / calibration.blocks)


def _prediction_powered(metric: str, window: EstimationWindow, calibration: Calibration, confidence: float) -> Measured:
    """The mean loss of the labelled rows, corrected by what is expected of the others."""
    labelled = window.labelled
    strips = _strips(metric, window)
    if is_selective(strips):
        return _by_strips(metric, window, strips, confidence)
    expected = expected_loss(metric, calibration.map(window.score), window.score)[0]
    true = true_loss(metric, window.label[labelled], window.score[labelled])
    trust = _trust(true, expected[labelled], int((~labelled).sum()))
    parts = true - trust * expected[labelled], trust * expected[~labelled]
    pull = np.empty(len(labelled))  # how much each row moves the estimate
    for side, part in zip((labelled, ~labelled), parts, strict=True):
        pull[side] = (part - part.mean()) / len(part)
    rests_on = f"{labelled.sum()} labels, if the labelled rows are a fair sample"
    loss = float(parts[0].mean() + parts[1].mean())
    freedom = None if window.block is None else len(np.unique(window.block)) - 1
    if freedom == 0:
        return unknown(metric, "rows of a block are alike, and a single block says nothing of others")
    error = _error(pull, window.block)
    return _measured(metric, loss, error, confidence, "prediction-powered", rests_on, freedom=freedom)


def _strips(metric: str, window: EstimationWindow) -> Strips:
    strip, labelled = strip_of(window.score), window.labelled
    losses = true_loss(metric, window.label[labelled], window.score[labelled])
    return Strips(
        np.bincount(strip, minlength=STRIPS).astype(np.float64),
        np.bincount(strip[labelled], minlength=STRIPS).astype(np.float64),
        np.bincount(strip[labelled], weights=losses, minlength=STRIPS).astype(np.float64),
    )


def _by_strips(metric: str, window: EstimationWindow, strips: Strips, confidence: float) -> Measured:
    """By labels that do not come for all scores alike."""
    if (left_out := uncovered(strips)) > UNCOVERED:
        return unknown(metric, f"labels come for some scores only: {left_out:.0%} of the rows have scores without any")
    loss, interval = weighted_loss(strips, confidence)
    metric_estimate = _measured(metric, loss, 0.0, confidence, "score-weighted", weighted_by(strips))
    blocks = 0 if window.block is None else len(np.unique(window.block[window.labelled]))
    if blocks > 1:
        reach = student_quantile((1 + confidence) / 2, blocks - 1) * _error(_pull(metric, window, strips), window.block)
        interval = min(interval[0], max(0.0, loss - reach)), max(interval[1], min(1.0, loss + reach))
    low, high = interval if metric not in HIGHER_IS_BETTER else (1 - interval[1], 1 - interval[0])
    return replace(metric_estimate, interval=(low, high))


def _pull(metric: str, window: EstimationWindow, strips: Strips) -> Vector:
    """How much each labelled row moves the weighted mean; 0 for the others."""
    labelled = window.labelled
    strip = strip_of(window.score[labelled])
    count = np.maximum(1.0, strips.labelled)
    weight = strips.rows / strips.rows.sum() / count
    loss = true_loss(metric, window.label[labelled], window.score[labelled])
    pull = np.zeros(len(labelled))
    pull[labelled] = weight[strip] * (loss - (strips.losses / count)[strip])
    return pull


def _trust(true: Vector, expected: Vector, others: int) -> float:
    """How much of the expected losses to use: the share at which the variance is least."""
    spread = float(expected.var())
    if spread < 1e-18:  # every row is expected to lose the same
        return 0.0
    common = float(((true - true.mean()) * (expected - expected.mean())).mean())
    return min(1.0, max(0.0, common / spread / (1 + len(true) / others)))


def _error(pull: Vector, block: NDArray[np.intp] | None) -> float:
    """Standard error of a sum of what rows, or whole blocks of them, contribute."""
    totals = pull if block is None else np.bincount(np.unique(block, return_inverse=True)[1], weights=pull)
    return math.sqrt(float(totals @ totals) * len(totals) / max(len(totals) - 1, 1))


def _measured(
    metric: str, loss: float, error: float, confidence: float, method: Method, reason: str, freedom: int | None = None
) -> Measured:
    """The metric with an interval: by Student's t where the error is known from some blocks, else the normal one."""
    upper = (1 + confidence) / 2
    reach = (NormalDist().inv_cdf(upper) if freedom is None else student_quantile(upper, freedom)) * error
    low, high = max(0.0, loss - reach), min(1.0, loss + reach)
    value = min(1.0, max(0.0, loss))
    if metric in HIGHER_IS_BETTER:
        value, low, high = 1 - value, 1 - high, 1 - low
    return Measured(metric, value, (low, high), method, reason)
