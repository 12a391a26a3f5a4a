"""How well the rows of each group are ranked, in plain numpy.

A group is what is ranked together: the documents of a query, the offers of a customer. Groups in which nothing is
relevant say nothing and are left out.

Sources: K. Jarvelin and J. Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20 (2002), with the
relevance itself as gain, as in scikit-learn; ties share their places. Average precision at K is over the relevant rows
of the group, at most K; of equal scores the irrelevant ones come first, so that a tie earns nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.metrics import RANKING, MetricError, Vector


def values_by_group(name: str, label: Vector, score: Vector, group: NDArray[np.str_]) -> Vector:
    """One number from 0 to 1 for each group in which something is relevant.

    Args:
        name: `ndcg@K` or `map@K`.
        label: Relevance, 0 or more.
        score: Higher comes first.
        group: What each row is ranked in.

    Raises:
        MetricError: A label or score is missing, a label is negative, or nothing is relevant in any group.
    """
    match = RANKING.fullmatch(name)
    assert match is not None
    if not (np.isfinite(label).all() and np.isfinite(score).all()):
        raise MetricError("labels or scores are missing or not finite")
    if (label < 0).any():
        raise MetricError(f"{name} needs relevances of 0 or more, found {label.min():g}")
    value, k = (ndcg if match[1] == "ndcg" else average_precision), int(match[2])
    group_values = [value(label[rows], score[rows], k) for rows in _groups(group) if (label[rows] > 0).any()]
    if not group_values:
        raise MetricError(f"{name} has no value: nothing is relevant in any group")
    return np.asarray(group_values)


def _groups(group: NDArray[np.str_]) -> Iterator[NDArray[np.intp]]:
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, group[order][1:] != group[order][:-1]])
    yield from np.split(order, starts[1:])


def ndcg(label: Vector, score: Vector, k: int) -> float:
    """Discounted gain of the first k rows, as a share of what the best order has."""
    discount = 1 / np.log2(np.arange(2, len(label) + 2))
    discount[k:] = 0
    best = float((np.sort(label)[::-1] * discount).sum())
    return float((_gains(label, score) * discount).sum()) / best


def _gains(label: Vector, score: Vector) -> Vector:
    """Relevances in the order of the scores; equal scores have their mean."""
    _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
    mean: Vector = np.bincount(place, weights=label) / count
    return np.repeat(mean, count)


def average_precision(label: Vector, score: Vector, k: int) -> float:
    """Mean precision at the places of the relevant rows among the first k."""
    hits = (label[np.lexsort((label, -score))] > 0)[:k]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / min(k, int((label > 0).sum())))
