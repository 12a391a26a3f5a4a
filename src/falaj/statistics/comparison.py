"""Is the candidate not worse than live by more than a margin? Two paired bounds: both models score each row.

The betting bound is the default for metrics that are means of losses in [0, 1] (brier, accuracy): its error rate holds
at every sample size and for every distribution of such losses, where the bootstrap's holds only in the limit and is
too sure of itself on small or skewed slices, which is where gates matter. It costs a slightly wider bound. Metrics
that are no bounded mean (auc, f1, rmse, ...) have only the bootstrap.

Sources: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024),
sections 4.1-4.3 (predictable plug-in bets, truncated); B. Efron and R. Tibshirani, "An Introduction to the Bootstrap"
(1993), chapter 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from falaj.statistics.metrics import Metric, MetricError, Vector, check_rows, metric_for

LARGEST_BET = 0.75  # share of the stake that one row may lose; the paper proposes 1/2 or 3/4
RESAMPLES = 2000
BISECTIONS = 40


@dataclass(frozen=True)
class Comparison:
    """Candidate beside live on the same rows.

    Attributes:
        candidate: The candidate's metric.
        live: The live release's metric.
        worse_by: How much worse the candidate is, in the metric's own unit; negative when it is better.
        bounds: Lower and upper bound of the true `worse_by`; each holds alone with the stated confidence.
        method: `betting` or `bootstrap`.
        rows: Rows compared.
    """

    candidate: float
    live: float
    worse_by: float
    bounds: tuple[float, float]
    method: str
    rows: int

    def not_worse_by(self, margin: float) -> bool:
        """Whether the data show, at the stated confidence, that the candidate is not worse by more than margin."""
        return self.bounds[1] <= margin


def compare(
    metric_name: str, label: Vector, candidate: Vector, live: Vector, *, confidence: float, rng: np.random.Generator
) -> Comparison:
    """Compare two models on the same rows.

    Args:
        metric_name: One of `metrics.METRICS`.
        label: One label a row.
        candidate: The candidate's score of each row.
        live: The live release's score of each row.
        confidence: Of each one-sided bound, in (0.5, 1).
        rng: Source of the row order (betting) or of the resamples (bootstrap).

    Raises:
        MetricError: The metric has no value on these rows.
    """
    metric = metric_for(metric_name, candidate)
    check_rows(metric, label, candidate)
    check_rows(metric, label, live)
    weight = np.ones(len(label))
    values = metric.compute(label, candidate, weight), metric.compute(label, live, weight)
    if metric.row_loss is not None:
        difference = metric.row_loss(label, candidate) - metric.row_loss(label, live)
        bounds, method = betting_bounds(difference, confidence=confidence, rng=rng), "betting"
    else:
        bounds, method = bootstrap_bounds(metric, label, candidate, live, confidence=confidence, rng=rng), "bootstrap"
    worse_by = values[1] - values[0] if metric.higher_is_better else values[0] - values[1]
    return Comparison(*values, worse_by, bounds, method, len(label))


def betting_bounds(difference: Vector, *, confidence: float, rng: np.random.Generator) -> tuple[float, float]:
    """Bounds of the mean of values in [-1, 1], valid at every sample size.

    Args:
        difference: One value a row in [-1, 1]; rows are taken to be exchangeable and are bet on in random order.
        confidence: Of each bound.
        rng: Source of the order.

    Returns:
        Lower and upper bound of the mean, each one-sided at `confidence`.
    """
    if len(difference) == 0:
        raise MetricError("there are no rows")
    if not (np.abs(difference) <= 1).all():
        raise ValueError("betting bounds need values in [-1, 1]")
    shuffled = (rng.permutation(difference) + 1) / 2
    upper = upper_bound(shuffled, 1 - confidence)
    lower = 1 - upper_bound(1 - shuffled, 1 - confidence)
    return 2 * lower - 1, 2 * upper - 1


def upper_bound(values: Vector, error: float) -> float:
    """Upper bound of the mean of values in [0, 1], wrong with probability at most `error`.

    A gambler who bets that the mean is below m cannot, if it is not, multiply the stake by 1/error with a larger
    probability than that (Ville). The bound is the smallest m that this ruins; wealth does not fall in m, so bisection
    finds it.
    """
    bets = _plug_in_bets(values, error)
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _largest_log_wealth(values, bets, middle) >= math.log(1 / error):
            high = middle
        else:
            low = middle
    return high


def _plug_in_bets(values: Vector, error: float) -> Vector:
    """One bet a row, from the rows before it only: larger where they varied less."""
    count = np.arange(1, len(values) + 1)
    mean = (0.5 + np.cumsum(values)) / (count + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (count + 1)
    before = np.r_[0.25, variance[:-1]]
    bets: Vector = np.sqrt(2 * math.log(1 / error) / (len(values) * before))
    return bets


def _largest_log_wealth(values: Vector, bets: Vector, mean: float) -> float:
    affordable = np.minimum(bets, LARGEST_BET / max(1 - mean, 1e-12))
    return float(np.cumsum(np.log1p(affordable * (mean - values))).max())


def bootstrap_bounds(
    metric: Metric, label: Vector, candidate: Vector, live: Vector, *, confidence: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Percentile bounds of how much worse the candidate is, over resampled rows.

    Resamples in which the metric has no value (one class only) are left out as long as they are few.

    Raises:
        MetricError: More than a tenth of the resamples have no value.
    """
    sign = -1.0 if metric.higher_is_better else 1.0
    candidate_value, live_value = metric.by_weight(label, candidate), metric.by_weight(label, live)
    differences = np.empty(RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        for index in range(RESAMPLES):
            weight = np.bincount(rng.integers(0, len(label), len(label)), minlength=len(label)).astype(np.float64)
            differences[index] = sign * (candidate_value(weight) - live_value(weight))
    return percentile_bounds(metric.name, differences, confidence=confidence)


def mean_bounds(name: str, differences: Vector, *, confidence: float, rng: np.random.Generator) -> tuple[float, float]:
    """Percentile bounds of the mean of one number a row, over resampled rows."""
    means = [differences[rng.integers(0, len(differences), len(differences))].mean() for _ in range(RESAMPLES)]
    return percentile_bounds(name, np.array(means), confidence=confidence)


def percentile_bounds(name: str, differences: Vector, *, confidence: float) -> tuple[float, float]:
    """Bounds from a difference on each of many resamples.

    Raises:
        MetricError: More than a tenth of them have no value.
    """
    finite_differences = differences[np.isfinite(differences)]
    if not len(differences) or len(finite_differences) < 0.9 * len(differences):
        raise MetricError(f"{name} has no value on most resamples of these rows")
    lower, upper = np.quantile(finite_differences, (1 - confidence, confidence))
    return float(lower), float(upper)
