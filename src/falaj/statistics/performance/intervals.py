"""A metric with an interval: by betting where rows are independent, by whole blocks where they are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.comparison import upper_bound
from falaj.statistics.metrics import Metric, MetricError, Vector, check_rows, named

RESAMPLES = 400
FEWEST_BLOCKS = 8

Method = Literal["betting", "bootstrap", "prediction-powered", "score-weighted", "calibrated-confidence", "unknown"]


@dataclass(frozen=True)
class Measured:
    """A metric's value as far as it is known.

    Attributes:
        metric: Its name.
        value: None when it is unknown.
        interval: Two-sided, at the confidence that was asked for; None when there is none.
        method: Where value and interval come from.
        reason: Why there is no value or no interval, or what the value rests on.
    """

    metric: str
    value: float | None
    interval: tuple[float, float] | None
    method: Method
    reason: str = ""


def unknown(metric: str, reason: str) -> Measured:
    """A metric that nothing can be said of."""
    return Measured(metric, None, None, "unknown", reason)


def measure(
    name: str,
    label: Vector,
    score: Vector,
    *,
    confidence: float,
    rng: np.random.Generator,
    block: NDArray[np.intp] | None = None,
) -> Measured:
    """A metric of labelled rows with its interval.

    Args:
        name: One of `falaj.statistics.metrics.METRICS`.
        label: One a row.
        score: One a row.
        confidence: Of the interval, in (0.5, 1).
        rng: Source of the order or of the resamples.
        block: The block of each row, from 0, where rows of a block are alike; None when rows are independent.

    Returns:
        Unknown with the reason where the metric has no value on these rows.
    """
    try:
        metric = named(name)
        check_rows(metric, label, score)
    except MetricError as error:
        return unknown(name, error.message)
    value = float(metric.compute(label, score, np.ones(len(label))))
    if not np.isfinite(value):
        return unknown(name, f"it has no value on these {len(label)} rows")
    if metric.row_loss is not None and block is None:
        low, high = _betting(metric, label, score, confidence, rng)
        # Bounds hold at any moment, so a lucky beginning may leave the mean outside; wider holds, too.
        return Measured(name, value, (min(low, value), max(high, value)), "betting")
    return _by_bootstrap(metric, value, label, score, confidence, rng, block)


def _betting(
    metric: Metric, label: Vector, score: Vector, confidence: float, rng: np.random.Generator
) -> tuple[float, float]:
    assert metric.row_loss is not None
    loss, error = rng.permutation(metric.row_loss(label, score)), (1 - confidence) / 2
    low, high = 1 - upper_bound(1 - loss, error), upper_bound(loss, error)
    return (1 - high, 1 - low) if metric.higher_is_better else (low, high)


def _by_bootstrap(
    metric: Metric,
    value: float,
    label: Vector,
    score: Vector,
    confidence: float,
    rng: np.random.Generator,
    block: NDArray[np.intp] | None,
) -> Measured:
    unit = np.arange(len(label)) if block is None else np.unique(block, return_inverse=True)[1]
    units = int(unit.max()) + 1
    if units < FEWEST_BLOCKS:
        few = f"{units} {'rows' if block is None else 'blocks'} are too few for an interval"
        return Measured(metric.name, value, None, "bootstrap", few)
    of_weight = metric.by_weight(label, score)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (rng.multinomial(units, np.full(units, 1 / units)) for _ in range(RESAMPLES))
        values = np.array([of_weight(times[unit].astype(np.float64)) for times in drawn])
    finite_values = values[np.isfinite(values)]
    if len(finite_values) < 0.9 * RESAMPLES:
        return Measured(metric.name, value, None, "bootstrap", "it has no value on most resamples")
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite_values, [tail, 1 - tail])
    return Measured(metric.name, value, (float(low), float(high)), "bootstrap")
