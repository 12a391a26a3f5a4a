"""How far proposed offsets are to be trusted, learned from the days that they were meant for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from falaj.statistics.recalibration.records import DayRecord

_NOTHING = 1e-9
"""A smaller offset moves no answer, and its square is lost in rounding."""


def learned_strength(days: Sequence[DayRecord], first: float, prior_days: float) -> float:
    """The share of what is proposed that days turned out to need.

    The slope of the regression through the origin of what each day needed on what was proposed for it, where a day
    weighs as many labelled rows as it has (in units of the mean day), pulled to `first` as by `prior_days` days more:

        (prior_days x first + sum(w) x slope) / (prior_days + sum(w)), slope = sum(w a b) / sum(w a^2)

    Noise in the offsets makes the slope smaller than 1 and so does a season that turns within the window: both are
    reasons to apply less. What days needed is noisy as well, and that does not bias the slope.

    Args:
        days: With what was proposed and what was needed; days without labels say nothing.
        first: The strength when nothing was learned.
        prior_days: What it weighs.

    Returns:
        From 0 to 1.
    """
    heard = [day for day in days if day.needed is not None and day.information > 0 and abs(day.proposed) > _NOTHING]
    if not heard:
        return first
    information = np.array([day.information for day in heard])
    weight = information / information.mean()
    proposed = np.array([day.proposed for day in heard])
    needed = np.array([day.needed for day in heard], dtype=np.float64)
    slope = float(np.sum(weight * proposed * needed) / np.sum(weight * proposed * proposed))
    pulled = (prior_days * first + len(heard) * slope) / (prior_days + len(heard))
    return min(1.0, max(0.0, pulled))
