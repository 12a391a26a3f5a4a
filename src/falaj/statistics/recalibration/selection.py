"""Are the rows that got labels like those that did not? Where they differ clearly, their need is not everybody's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from falaj.statistics.recalibration.offset import log_odds
from falaj.statistics.recalibration.records import AnswerKind, LabelledRows, RecalibrationSettings, Vector

SMALLEST_EFFECT = 0.25
"""In standard deviations of the scores of all rows; a smaller difference is not held against labels."""
FEWEST_DAYS = 3
_LARGEST_T = 3.0
_ALL = 0.95
"""From this share of labelled rows on, there are no others to speak of."""


@dataclass(frozen=True)
class ScoreDay:
    """Bare scores of all predictions of a day, labelled or not, as sums of `scale_of` them.

    Args:
        day: Number of the day.
        rows: How many there were.
        total: Sum.
        squares: Sum of squares.
    """

    day: int
    rows: int = 0
    total: float = 0.0
    squares: float = 0.0

    def added(self, values: Vector) -> ScoreDay:
        """With more rows; values that are no numbers are left out."""
        finite_values = values[np.isfinite(values)]
        squares = float(np.sum(finite_values * finite_values))
        return ScoreDay(
            self.day, self.rows + len(finite_values), self.total + float(finite_values.sum()), self.squares + squares
        )


def scale_of(kind: AnswerKind, score: Vector) -> Vector:
    """Scores as they are compared: log-odds of probabilities, numbers as they are."""
    return log_odds(score) if kind is AnswerKind.BINARY else np.asarray(score, dtype=np.float64)


def unlike_the_rest(rows: LabelledRows, days: Sequence[ScoreDay], settings: RecalibrationSettings) -> str:
    """Why labelled rows do not speak for all; empty where they may.

    By day, the mean score of labelled rows less that of all rows, over the standard deviation of all. They differ
    clearly when the mean of days is at least a quarter of a standard deviation, and three standard errors from 0 by
    days; one day's whim is neither.

    Args:
        rows: Labelled, of the window.
        days: All rows.
        settings: With the kind of the answers.
    """
    value, day = scale_of(settings.kind, rows.score), np.floor(rows.predicted)
    effects = [effect for each in days if (effect := _effect(value[day == each.day], each)) is not None]
    if len(effects) < FEWEST_DAYS:
        return ""
    mean, spread = float(np.mean(effects)), float(np.std(effects, ddof=1))
    if abs(mean) < SMALLEST_EFFECT or abs(mean) < _LARGEST_T * spread / math.sqrt(len(effects)):
        return ""
    side = "higher" if mean > 0 else "lower"
    return (
        f"labelled rows have {side} scores than the rest, by {abs(mean):.2f} standard deviations on {len(effects)} days"
    )


def _effect(labelled: Vector, day: ScoreDay) -> float | None:
    """The difference of a day; None where there is nothing to compare."""
    if not len(labelled) or day.rows < 2:
        return None
    if len(labelled) >= _ALL * day.rows:
        return 0.0
    mean = day.total / day.rows
    variance = max(0.0, day.squares / day.rows - mean * mean)
    return (float(labelled.mean()) - mean) / math.sqrt(variance) if variance > 0 else 0.0
