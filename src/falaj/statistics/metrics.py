"""The metrics that gates speak of, in plain numpy.

Every metric takes the labels, the scores and row weights. Labels of two classes are 0 and 1 and the score is the
probability of 1; labels of more classes are their indices and the score is one number a class; a regression's score is
the prediction, or the two ends of an interval. Of several outputs, labels have a column an output, and scores a column
an output with its one score. Rankings are judged a group: its score is what `ranking` found. A metric that has no value
(no rows, NaN, one class only) raises `MetricError` with the reason; it never returns NaN.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from falaj.core.errors import RunFailedError
from falaj.statistics import class_metrics

Vector = NDArray[np.float64]
Task = Literal["binary", "classes", "regression", "interval", "outputs", "groups"]

_OF_OUTPUTS = 3  # dimensions: row, output, and the one score of it
_ROUNDING = 1e-3  # how far probabilities in single precision may sum to something else than 1
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
    metric = metric_for(name, score)
    check_rows(metric, label, score)
    weights = np.ones(len(label)) if weight is None else weight
    value = float(metric.compute(label, score, weights))
    if not np.isfinite(value):
        raise MetricError(f"{name} is not finite on these {len(label)} rows")
    return value


def named(name: str) -> Metric:
    """The metric of that name, of one score a row.

    Raises:
        MetricError: There is none.
    """
    metric = METRICS.get(name) or _with_number(name) or _of_groups(name)
    if metric is None:
        raise _unknown(name, METRICS)
    return metric


def metric_for(name: str, score: Vector) -> Metric:
    """The metric of that name for such scores: one number a row, or one a class and row, or the ends of an interval.

    Raises:
        MetricError: There is none.
    """
    if score.ndim == 1:
        return named(name)
    if score.ndim == _OF_OUTPUTS:
        return _mean_of_outputs(named(name))
    if name == COVERAGE.name:
        return COVERAGE
    metric = CLASS_METRICS.get(name) or _of_top(name)
    if metric is None:
        raise _unknown(name, CLASS_METRICS)
    return metric


def higher_is_better(name: str) -> bool | None:
    """The direction of a metric of that name, whatever the scores are; None when there is none."""
    metric = METRICS.get(name) or CLASS_METRICS.get(name) or _of_top(name) or _with_number(name) or _of_groups(name)
    return None if metric is None else metric.higher_is_better


def is_of_numbers(name: str) -> bool:
    """Whether it is a metric of predicted numbers."""
    metric = METRICS.get(name) or _with_number(name)
    return metric is not None and metric.task == "regression"


def _unknown(name: str, metrics_by_name: dict[str, Metric]) -> MetricError:
    if name in METRICS.keys() | CLASS_METRICS.keys() or _of_top(name) or _with_number(name):
        models = "models of numbers or two classes" if metrics_by_name is METRICS else "models of several classes"
        return MetricError(
            f"{name} is not a metric of {models}", hint=f"there are {', '.join(sorted(metrics_by_name))}"
        )
    return MetricError(f"there is no metric {name!r}", hint=f"known: {', '.join(sorted(metrics_by_name))}")


def check_rows(metric: Metric, label: Vector, score: Vector) -> None:
    """Refuse rows on which the metric has no value.

    Raises:
        MetricError: With the reason.
    """
    if len(label) != len(score):
        raise MetricError(f"{len(label)} labels but {len(score)} scores")
    if len(label) == 0:
        raise MetricError("there are no rows")
    if metric.task == "outputs":
        _check_outputs(metric, label, score)
        return
    _refuse_non_finite("score", score)
    _refuse_non_finite("label", label)
    if metric.task == "binary":
        _refuse_non_binary(metric, label, score)
    elif metric.task == "classes":
        _refuse_non_classes(metric, label, score)
    elif metric.task == "interval" and score.shape[1] != 2:
        raise MetricError(f"{metric.name} needs the two ends of an interval a row, the model gives {score.shape[1]}")
    elif metric.name == "mape" and (zeros := int(np.count_nonzero(label == 0))):
        raise MetricError(f"mape has no value where a label is 0; {zeros} of {len(label)} labels are")


def _check_outputs(metric: Metric, label: Vector, score: Vector) -> None:
    if label.shape != score.shape[:2]:
        raise MetricError(f"there are {label.shape[1]} labels a row and {score.shape[1]} answers")
    for index in range(label.shape[1]):
        try:
            check_rows(named(metric.name), label[:, index], score[:, index, 0])
        except MetricError as error:
            raise MetricError(f"output {index + 1}: {error.message}") from error


def _mean_of_outputs(metric: Metric) -> Metric:
    """A metric of one output as its mean over several."""

    def each(label: Vector, score: Vector) -> list[tuple[Vector, Vector]]:
        return [(label[:, index], score[:, index, 0]) for index in range(score.shape[1])]

    def weighted(label: Vector, score: Vector) -> Callable[[Vector], float]:
        parts = [metric.by_weight(*one) for one in each(label, score)]
        return lambda weight: float(np.mean([part(weight) for part in parts]))

    row_loss = metric.row_loss
    losses = None if row_loss is None else lambda y, s: np.mean([row_loss(*one) for one in each(y, s)], axis=0)
    return Metric(
        metric.name, metric.higher_is_better, "outputs", _by_weight(weighted), losses, metric.both_classes,
        metric.ranks_only, weighted,
    )  # fmt: skip


def _refuse_non_finite(what: str, values: Vector) -> None:
    finite = np.isfinite(values)
    bad = int(np.count_nonzero(~(finite if values.ndim == 1 else finite.all(axis=1))))
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


def _refuse_non_classes(metric: Metric, label: Vector, score: Vector) -> None:
    indices = np.isin(label, np.arange(score.shape[1]))
    if not indices.all():
        raise MetricError(f"{metric.name} needs labels of the {score.shape[1]} classes, found {label[~indices][0]:g}")
    if metric.both_classes and len(np.unique(label)) < 2:
        raise MetricError(f"{metric.name} needs two classes or more, all {len(label)} labels are of one")
    if metric.ranks_only:
        return
    sums = score.sum(axis=1)
    if score.min() < -_ROUNDING or score.max() > 1 + _ROUNDING or np.abs(sums - 1).max() > _ROUNDING:
        ends = f"from {score.min():.4g} to {score.max():.4g}, their sums from {sums.min():.4g} to {sums.max():.4g}"
        raise MetricError(f"{metric.name} needs probabilities, scores reach {ends}")


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


def _relative(label: Vector, score: Vector) -> Vector:
    losses: Vector = np.abs(label - score) / np.abs(label)
    return losses


def _symmetric(label: Vector, score: Vector) -> Vector:
    """Half of it is the share of both that they differ by: from 0 to 2, and 0 where both are 0."""
    size = np.abs(label) + np.abs(score)
    losses: Vector = np.divide(2 * np.abs(label - score), size, out=np.zeros_like(size), where=size > 0)
    return losses


def _pinball(label: Vector, score: Vector, weight: Vector, quantile: float) -> float:
    """Mean loss of predictions of a quantile: too low costs its share, too high the rest."""
    error = label - score
    return _mean(np.maximum(quantile * error, (quantile - 1) * error), weight)


def _pinball_metric(quantile: float, name: str) -> Metric:
    return Metric(name, False, "regression", partial(_pinball, quantile=quantile))


def _below(label: Vector, score: Vector) -> Vector:
    return np.asarray(label > score, dtype=np.float64)


def _outside(label: Vector, score: Vector) -> Vector:
    """One for each row whose label is outside its interval, whichever end comes first."""
    low, high = score.min(axis=1), score.max(axis=1)
    return np.asarray((label < low) | (label > high), dtype=np.float64)


def _share_right(losses: Callable[[Vector, Vector], Vector]) -> Callable[[Vector, Vector, Vector], float]:
    return lambda label, score, weight: 1 - _mean(losses(label, score), weight)


def _by_weight(weighted: Callable[[Vector, Vector], Callable[[Vector], float]]) -> Callable[..., float]:
    return lambda label, score, weight: weighted(label, score)(weight)


_balanced = class_metrics.balanced_accuracy_by_weight
_f1_macro = partial(class_metrics.f1_by_weight, by_rows=False)
_f1_weighted = partial(class_metrics.f1_by_weight, by_rows=True)
_auc_of_classes = partial(class_metrics.auc_by_weight, of_two=auc_by_weight)
_class_log_losses = partial(class_metrics.log_losses, floor=PROBABILITY_FLOOR)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("auc", True, "binary", auc, both_classes=True, ranks_only=True, weighted=auc_by_weight),
        Metric("average_precision", True, "binary", average_precision, both_classes=True, ranks_only=True),
        Metric("accuracy", True, "binary", _share_right(_wrong), _wrong),
        Metric("balanced_accuracy", True, "binary", _by_weight(_balanced), weighted=_balanced),
        Metric("brier", False, "binary", lambda y, s, w: _mean(_squared(y, s), w), _squared),
        Metric("log_loss", False, "binary", lambda y, s, w: _mean(_log_losses(y, s), w)),
        Metric("precision", True, "binary", precision),
        Metric("recall", True, "binary", recall, both_classes=True),
        Metric("f1", True, "binary", f1),
        Metric("f1_macro", True, "binary", _by_weight(_f1_macro), weighted=_f1_macro),
        Metric("f1_weighted", True, "binary", _by_weight(_f1_weighted), weighted=_f1_weighted),
        Metric("mae", False, "regression", lambda y, s, w: _mean(np.abs(y - s), w)),
        Metric("mse", False, "regression", lambda y, s, w: _mean(_squared(y, s), w)),
        Metric("rmse", False, "regression", lambda y, s, w: _mean(_squared(y, s), w) ** 0.5),
        Metric("mape", False, "regression", lambda y, s, w: _mean(_relative(y, s), w)),
        Metric("r2", True, "regression", r2),
        Metric("smape", False, "regression", lambda y, s, w: _mean(_symmetric(y, s), w)),
        Metric("mase", False, "regression", lambda y, s, w: _mean(np.abs(y - s), w)),
        _pinball_metric(0.5, "pinball"),
        Metric("coverage", True, "regression", _share_right(_below), _below),
    )
}
"""Of one score a row; for `mase` both are divided by the scale already. `coverage` is then of a quantile: the share of
labels that are not above it."""

CLASS_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, "classes", _share_right(class_metrics.wrong), class_metrics.wrong, ranks_only=True),
        Metric("balanced_accuracy", True, "classes", _by_weight(_balanced), ranks_only=True, weighted=_balanced),
        Metric("f1_macro", True, "classes", _by_weight(_f1_macro), ranks_only=True, weighted=_f1_macro),
        Metric("f1_weighted", True, "classes", _by_weight(_f1_weighted), ranks_only=True, weighted=_f1_weighted),
        Metric(
            "auc", True, "classes", _by_weight(_auc_of_classes), both_classes=True, ranks_only=True,
            weighted=_auc_of_classes,
        ),
        Metric(
            "brier", False, "classes", lambda y, s, w: _mean(class_metrics.squared_errors(y, s), w),
            class_metrics.squared_errors,
        ),
        Metric("log_loss", False, "classes", lambda y, s, w: _mean(_class_log_losses(y, s), w)),
    )
}  # fmt: skip
"""Of one score a class and row."""

COVERAGE = Metric("coverage", True, "interval", _share_right(_outside), _outside)

TOP = re.compile(r"top_([2-9]|[1-9][0-9]{1,2})_accuracy")
RANKING = re.compile(r"(ndcg|map)@([1-9][0-9]{0,3})")
QUANTILE = re.compile(r"pinball_(0\.[0-9]{1,4})")


def _of_top(name: str) -> Metric | None:
    """`top_3_accuracy`: the share of rows whose class is among the three with the highest scores."""
    match = TOP.fullmatch(name)
    if match is None:
        return None
    losses = partial(class_metrics.missed_by_top, k=int(match[1]))
    return Metric(name, True, "classes", _share_right(losses), losses, ranks_only=True)


def _of_groups(name: str) -> Metric | None:
    """`ndcg@10`: the mean over groups of what `ranking` found of each, from 0 to 1."""
    if RANKING.fullmatch(name) is None:
        return None
    return Metric(name, True, "groups", lambda _y, s, w: _mean(s, w), lambda _y, s: 1 - s)


def _with_number(name: str) -> Metric | None:
    """`pinball_0.9`: the loss of predictions of that quantile."""
    match = QUANTILE.fullmatch(name)
    return _pinball_metric(float(match[1]), name) if match and float(match[1]) > 0 else None
