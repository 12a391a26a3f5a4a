"""The metrics that gates speak of, in plain numpy.

Every metric takes the labels, the scores and row weights. Classification labels are 0 and 1 and the score is the
probability of 1; a regression's score is the prediction. A metric that has no value (no rows, NaN, one class only)
raises `MetricError` with the reason; it never returns NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falaj.errors import RunFailedError

Vector = NDArray[np.float64]
Task = Literal["binary", "regression", "any"]

PROBABILITY_FLOOR = float(np.finfo(np.float64).eps)  # a certain and wrong prediction keeps a finite log_loss


class MetricError(RunFailedError):
    """A metric has no value on these rows."""

    code = "checks.no-metric"


@dataclass(frozen=True)
class Metric:
    """A metric and what is needed to compare with it.

    Attributes:
        name: As written in a gate.
        higher_is_better: The direction of "worse".
        task: What the labels and scores must be.
        compute: (label, score, weight) -> value.
        row_loss: (label, score) -> one loss a row in [0, 1] whose mean is the metric (or 1 - metric when higher is
            better); None when the metric is not such a mean.
        both_classes: Whether it has a value only where both classes are present.
        ranks_only: Whether the scores may be any numbers, as only their order counts.
        weighted: (label, score) -> (weight -> value), where much of the work does not depend on the weights.
    """

    name: str
    higher_is_better: bool
    task: Task
    compute: Callable[[Vector, Vector, Vector], float]
    row_loss: Callable[[Vector, Vector], Vector] | None = None
    both_classes: bool = False
    ranks_only: bool = False
    weighted: Callable[[Vector, Vector], Callable[[Vector], float]] | None = None

    def by_weight(self, label: Vector, score: Vector) -> Callable[[Vector], float]:
        """The metric on these rows as a function of their weights."""
        if self.weighted is not None:
            return self.weighted(label, score)
        return lambda weight: self.compute(label, score, weight)


def evaluate(name: str, label: Vector, score: Vector, weight: Vector | None = None) -> float:
    """The value of a metric.

    Args:
        name: One of `METRICS`.
        label: One label a row.
        score: One score a row.
        weight: Non-negative row weights; all 1 when None.

    Raises:
        MetricError: No such metric, or it has no value on these rows.
    """
    metric = named(name)
    check_rows(metric, label, score)
    weights = np.ones(len(label)) if weight is None else weight
    value = float(metric.compute(label, score, weights))
    if not np.isfinite(value):
        raise MetricError(f"{name} is not finite on these {len(label)} rows")
    return value


def named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        MetricError: There is none.
    """
    if name not in METRICS:
        raise MetricError(f"there is no metric {name!r}", hint=f"known: {', '.join(sorted(METRICS))}")
    return METRICS[name]


def check_rows(metric: Metric, label: Vector, score: Vector) -> None:
    """Refuse rows on which the metric has no value.

    Raises:
        MetricError: With the reason.
    """
    if len(label) != len(score):
        raise MetricError(f"{len(label)} labels but {len(score)} scores")
    if len(label) == 0:
        raise MetricError("there are no rows")
    _refuse_non_finite("score", score)
    _refuse_non_finite("label", label)
    if metric.task == "binary":
        _refuse_non_binary(metric, label, score)


def _refuse_non_finite(what: str, values: Vector) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise MetricError(f"{bad} of {len(values)} {what}s are missing or not finite")


def _refuse_non_binary(metric: Metric, label: Vector, score: Vector) -> None:
    classes = np.unique(label)
    if not np.isin(classes, (0.0, 1.0)).all():
        raise MetricError(f"{metric.name} needs labels 0 and 1, found {_shown(classes)}")
    if metric.both_classes and len(classes) < 2:
        raise MetricError(f"{metric.name} needs both classes, all {len(label)} labels are {int(classes[0])}")
    if not metric.ranks_only and (score.min() < 0 or score.max() > 1):
        raise MetricError(
            f"{metric.name} needs probabilities, scores reach from {score.min():.4g} to {score.max():.4g}"
        )


def _shown(values: Vector) -> str:
    text = ", ".join(f"{value:g}" for value in values[:5])
    return f"{text}, ..." if len(values) > 5 else text


def _mean(values: Vector, weight: Vector) -> float:
    return float(np.average(values, weights=weight))


def auc(label: Vector, score: Vector, weight: Vector) -> float:
    """Area under the ROC curve: P(score of a 1 > score of a 0), ties count half."""
    return auc_by_weight(label, score)(weight)


def auc_by_weight(label: Vector, score: Vector) -> Callable[[Vector], float]:
    """The area as a function of the row weights; the rows are sorted only once."""
    order = np.argsort(score, kind="stable")
    ordered_label, starts = label[order], _tie_starts(score[order])

    def area(weight: Vector) -> float:
        ordered = weight[order]
        positives = np.add.reduceat(ordered * ordered_label, starts)
        negatives = np.add.reduceat(ordered * (1 - ordered_label), starts)
        below = np.cumsum(negatives) - negatives
        pairs = positives.sum() * negatives.sum()
        return float((positives * (below + negatives / 2)).sum() / pairs) if pairs > 0 else float("nan")

    return area


def _tie_starts(ordered_score: Vector) -> NDArray[np.intp]:
    return np.flatnonzero(np.r_[True, ordered_score[1:] != ordered_score[:-1]])


def average_precision(label: Vector, score: Vector, weight: Vector) -> float:
    """Sum over thresholds of precision times the gain in recall (no interpolation)."""
    order = np.argsort(-score, kind="stable")
    starts = _tie_starts(-score[order])
    hits = np.cumsum(np.add.reduceat((weight * label)[order], starts))
    shown = np.cumsum(np.add.reduceat(weight[order], starts))
    gains = np.diff(hits, prepend=0.0)
    precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    return float((gains * precision).sum() / hits[-1])


def _wrong(label: Vector, score: Vector) -> Vector:
    return np.asarray((score >= 0.5) != (label == 1), dtype=np.float64)


def _confusion(label: Vector, score: Vector, weight: Vector) -> tuple[float, float, float]:
    predicted, actual = score >= 0.5, label == 1
    return (
        float(weight[predicted & actual].sum()),
        float(weight[predicted & ~actual].sum()),
        float(weight[~predicted & actual].sum()),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0  # as scikit-learn's zero_division=0


def precision(label: Vector, score: Vector, weight: Vector) -> float:
    """Share of the rows scored 0.5 or more whose label is 1; 0 when there are none."""
    hits, false_alarms, _ = _confusion(label, score, weight)
    return _ratio(hits, hits + false_alarms)


def recall(label: Vector, score: Vector, weight: Vector) -> float:
    """Share of the rows labelled 1 that are scored 0.5 or more."""
    hits, _, misses = _confusion(label, score, weight)
    return _ratio(hits, hits + misses)


def f1(label: Vector, score: Vector, weight: Vector) -> float:
    """Harmonic mean of precision and recall at 0.5."""
    hits, false_alarms, misses = _confusion(label, score, weight)
    return _ratio(2 * hits, 2 * hits + false_alarms + misses)


def _log_losses(label: Vector, score: Vector) -> Vector:
    sure = np.clip(score, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    losses: Vector = -(label * np.log(sure) + (1 - label) * np.log1p(-sure))
    return losses


def r2(label: Vector, score: Vector, weight: Vector) -> float:
    """Share of the label's variance that the prediction explains."""
    spread = (weight * (label - np.average(label, weights=weight)) ** 2).sum()
    if spread == 0:
        return float("nan")
    return float(1 - (weight * (label - score) ** 2).sum() / spread)


def _squared(label: Vector, score: Vector) -> Vector:
    losses: Vector = (label - score) ** 2
    return losses


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("auc", True, "binary", auc, both_classes=True, ranks_only=True, weighted=auc_by_weight),
        Metric("average_precision", True, "binary", average_precision, both_classes=True, ranks_only=True),
        Metric("accuracy", True, "binary", lambda y, s, w: 1 - _mean(_wrong(y, s), w), _wrong),
        Metric("brier", False, "binary", lambda y, s, w: _mean(_squared(y, s), w), _squared),
        Metric("log_loss", False, "binary", lambda y, s, w: _mean(_log_losses(y, s), w)),
        Metric("precision", True, "binary", precision),
        Metric("recall", True, "binary", recall, both_classes=True),
        Metric("f1", True, "binary", f1),
        Metric("mae", False, "regression", lambda y, s, w: _mean(np.abs(y - s), w)),
        Metric("mse", False, "regression", lambda y, s, w: _mean(_squared(y, s), w)),
        Metric("rmse", False, "regression", lambda y, s, w: _mean(_squared(y, s), w) ** 0.5),
        Metric("r2", True, "regression", r2),
    )
}
