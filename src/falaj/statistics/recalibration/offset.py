"""The offset that fits labels best, and answers moved by it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from falaj.statistics.recalibration.records import AnswerKind, Vector

_NEAREST = 1e-9  # a probability nearer to 0 or 1 than this has log-odds as if it were this near
_ROUNDS = 50
_CLOSE_ENOUGH = 1e-9


@dataclass(frozen=True)
class OffsetScore:
    """What labels say about an offset at one value of it.

    Attributes:
        slope: Derivative of the log-likelihood: positive when labels ask for more.
        information: Minus its second derivative.
    """

    slope: float
    information: float

    def one_step(self) -> float:
        """By how much the offset would have to move, by one step of Newton's method."""
        return self.slope / self.information if self.information > 0 else 0.0


def fit_offset(kind: AnswerKind, score: Vector, label: Vector, pseudo_rows: float) -> float:
    """The offset under which labels are most likely, shrunk to 0.

    For a binary probability p with label y it maximises sum(log-likelihood(y | log-odds(p) + a)) - n0 v a^2 / 2 over a
    by Newton's method, where v is the mean of p (1 - p): as if n0 more rows of the same kind had said that no offset
    is needed. The function is concave; a step that would lower it is halved. For a regression the same is
    sum(y - score) / (n + n0).

    Args:
        kind: What the release answers with.
        score: Its bare answers.
        label: What was true.
        pseudo_rows: n0.

    Returns:
        The offset, in log-odds or in the unit of the answer; 0 without rows.
    """
    if not len(label):
        return 0.0
    if kind is AnswerKind.REGRESSION:
        return float(np.sum(label - score) / (len(label) + pseudo_rows))
    odds = log_odds(score)
    bare = probability(odds)
    weight = pseudo_rows * max(float(np.mean(bare * (1 - bare))), _NEAREST)
    return _newton(odds, label, weight)


def _newton(odds: Vector, label: Vector, weight: float) -> float:
    offset, value = 0.0, _objective(odds, label, weight, 0.0)
    for _ in range(_ROUNDS):
        likely = probability(odds + offset)
        slope = float(np.sum(label - likely)) - weight * offset
        step = slope / (float(np.sum(likely * (1 - likely))) + weight)
        while (after := _objective(odds, label, weight, offset + step)) < value and abs(step) > _CLOSE_ENOUGH:
            step /= 2
        offset, value = offset + step, after
        if abs(step) <= _CLOSE_ENOUGH:
            break
    return float(offset)


def _objective(odds: Vector, label: Vector, weight: float, offset: float) -> float:
    shifted = odds + offset
    return float(np.sum(label * shifted - np.logaddexp(0.0, shifted))) - weight * offset * offset / 2


def evidence_at(kind: AnswerKind, score: Vector, label: Vector, offset: float) -> OffsetScore:
    """What labels say about the offset by which answers were moved.

    Args:
        kind: What the release answers with.
        score: Its bare answers.
        label: What was true.
        offset: By which they were moved.
    """
    if kind is AnswerKind.REGRESSION:
        return OffsetScore(float(np.sum(label - score - offset)), float(len(label)))
    likely = probability(log_odds(score) + offset)
    return OffsetScore(float(np.sum(label - likely)), float(np.sum(likely * (1 - likely))))


def moved(kind: AnswerKind, score: Vector, offset: float) -> Vector:
    """Answers as they are given: moved by an offset.

    Args:
        kind: What the release answers with.
        score: Bare probabilities of the second class, or bare answers.
        offset: In log-odds, or in the unit of the answer.

    Returns:
        As many answers. An offset of 0 gives the same numbers, bit by bit.
    """
    if offset == 0:
        return score
    if kind is AnswerKind.REGRESSION:
        return score + offset
    times = math.exp(offset)  # of the odds; probabilities of 0 and 1 stay what they are
    return score * times / (1 + score * (times - 1))


def log_odds(score: Vector) -> Vector:
    """The logarithm of p / (1 - p), finite for every p from 0 to 1."""
    near = np.clip(np.asarray(score, dtype=np.float64), _NEAREST, 1 - _NEAREST)
    return np.log(near) - np.log1p(-near)


def probability(odds: Vector) -> Vector:
    """The probability of these log-odds."""
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
