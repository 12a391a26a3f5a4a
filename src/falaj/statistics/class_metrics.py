"""Metrics of classifiers with any number of classes, in plain numpy.

A label is the index of a class, a score is one number a class and row; what is decided for a row is the class with the
highest score, the first of equals. Classes that no row is of, and no row was decided to be, do not count. Values that
do not exist are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
ByWeight = Callable[[Vector], float]


def decisions(score: Vector) -> Vector:
    """What is decided: the class with the highest score; of one probability a row, class 1 from one half on."""
    if score.ndim == 1:
        return np.asarray(score >= 0.5, dtype=np.float64)
    return np.asarray(score.argmax(axis=1), dtype=np.float64)


def wrong(label: Vector, score: Vector) -> Vector:
    """One for each row that is decided wrongly, zero for the others."""
    return np.asarray(decisions(score) != label, dtype=np.float64)


def squared_errors(label: Vector, score: Vector) -> Vector:
    """Half the sum over classes of squared differences from the truth, a row: from 0 to 1, as of two classes."""
    chosen = _of_label(label, score)
    losses: Vector = (np.einsum("ij,ij->i", score, score) - 2 * chosen + 1) / 2
    return np.clip(losses, 0.0, 1.0)


def log_losses(label: Vector, score: Vector, floor: float) -> Vector:
    """Minus the logarithm of the probability of the true class, a row; no probability is below the floor."""
    losses: Vector = -np.log(np.clip(_of_label(label, score), floor, 1 - floor))
    return losses


def missed_by_top(label: Vector, score: Vector, k: int) -> Vector:
    """One for each row whose class is not among the k with the highest scores; of equals the first come first."""
    chosen = _of_label(label, score)[:, np.newaxis]
    before = np.arange(score.shape[1]) < label[:, np.newaxis]
    better = (score > chosen) | ((score == chosen) & before)
    return np.asarray(better.sum(axis=1) >= k, dtype=np.float64)


def balanced_accuracy_by_weight(label: Vector, score: Vector) -> ByWeight:
    """Mean over classes of the share of their rows that are decided rightly."""
    rows, _decided, right = _counts(label, score)

    def value(weight: Vector) -> float:
        of_class = rows(weight)
        there = of_class > 0
        return _mean(right(weight)[there] / of_class[there])

    return value


def f1_by_weight(label: Vector, score: Vector, *, by_rows: bool) -> ByWeight:
    """F1 of each class, averaged: every class alike, or by its rows."""
    rows, decided, right = _counts(label, score)

    def value(weight: Vector) -> float:
        of_class, to_class, hits = rows(weight), decided(weight), right(weight)
        there = (of_class + to_class) > 0
        each = 2 * hits[there] / (of_class + to_class)[there]
        return _mean(each, of_class[there]) if by_rows else _mean(each)

    return value


def auc_by_weight(label: Vector, score: Vector, of_two: Callable[[Vector, Vector], ByWeight]) -> ByWeight:
    """Mean over classes of the area under the curve of each class against the rest.

    Args:
        label: Index of a class a row.
        score: One number a class and row.
        of_two: The area of labels 0 and 1 and one score a row, as a function of the weights.
    """
    areas = [of_two((label == index).astype(np.float64), score[:, index]) for index in range(score.shape[1])]

    def value(weight: Vector) -> float:
        auc_values = np.array([area(weight) for area in areas])
        return _mean(auc_values[~np.isnan(auc_values)])

    return value


def _counts(label: Vector, score: Vector) -> tuple[Callable[[Vector], Vector], ...]:
    """Weights by class of the rows that are of it, that were decided to be, and both; as functions of the weights."""
    decided = decisions(score).astype(np.intp)
    truth = label.astype(np.intp)
    classes = int(max(truth.max(initial=0), decided.max(initial=0))) + 1
    right = truth == decided

    def counted(places: NDArray[np.intp], rows: NDArray[np.bool_] | slice) -> Callable[[Vector], Vector]:
        return lambda weight: np.bincount(places[rows], weight[rows], classes).astype(np.float64, copy=False)

    return counted(truth, slice(None)), counted(decided, slice(None)), counted(truth, right)


def _of_label(label: Vector, score: Vector) -> Vector:
    chosen: Vector = score[np.arange(len(label)), label.astype(np.intp)]
    return chosen


def _mean(values: Vector, weight: Vector | None = None) -> float:
    if len(values) == 0 or (weight is not None and weight.sum() == 0):
        return float("nan")
    return float(np.average(values, weights=weight))
