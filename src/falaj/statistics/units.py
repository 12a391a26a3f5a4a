"""Is a feature now in another unit? Its quantiles moved together by a factor between units that people mix up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from falaj.statistics.profiles import FeatureCounts, NumberCells, quantile

FACTORS = {
    1000.0: "a thousand",
    100.0: "a hundred, as of percent and share",
    60.0: "60, as of minutes and seconds",
    3600.0: "3,600, as of hours and seconds",
    24.0: "24, as of days and hours",
    1.609344: "1.61, as of miles and kilometres",
    3.28084: "3.28, as of metres and feet",
    2.54: "2.54, as of inches and centimetres",
    2.204623: "2.20, as of kilograms and pounds",
    1.943844: "1.94, as of m/s and knots",
    3.6: "3.6, as of m/s and km/h",
    33.8639: "33.9, as of inches of mercury and hectopascal",
}
TOLERANCE = math.log(1.07)  # tails are known within 5%
QUARTILE_TOLERANCE = math.log(1.12)  # a season may move the median by such a factor, and the quartiles by others
SPREAD_TOLERANCE = math.log(1.25)


@dataclass(frozen=True)
class UnitChange:
    """A likely change of unit.

    Args:
        factor: New values over old ones.
        meaning: What is mixed up, in words.
    """

    factor: float
    meaning: str


def unit_change(cells: NumberCells, before: FeatureCounts, after: FeatureCounts) -> UnitChange | None:
    """The factor between units by which the median and the quartiles moved; None where there is none.

    Args:
        cells: Of the feature.
        before: Its counts in the reference.
        after: Its counts in a window.
    """
    old, new = (
        [quantile(cells, feature_counts, share) for share in (0.25, 0.5, 0.75)] for feature_counts in (before, after)
    )
    old_spread, new_spread = old[2] - old[0], new[2] - new[0]
    if not (old_spread > 0 and new_spread > 0):
        return None
    spread = math.log(new_spread / old_spread)
    if old[1] * new[1] > 0:
        ratio = math.log(new[1] / old[1])
        steps = [(sign * math.log(factor), meaning) for factor, meaning in FACTORS.items() for sign in (1, -1)]
        step, meaning = min(steps, key=lambda each: abs(ratio - each[0]))
        moved = [abs(math.log(late / early) - step) for early, late in zip(old, new, strict=True) if early * late > 0]
        together = max(moved) < QUARTILE_TOLERANCE and abs(spread - step) < SPREAD_TOLERANCE
        if abs(ratio - step) < TOLERANCE and together:
            return UnitChange(math.exp(step), meaning)
    return _temperature(old[1], new[1], spread)


def _temperature(old: float, new: float, spread: float) -> UnitChange | None:
    """Celsius and Fahrenheit differ by a factor and an offset."""
    for factor, expected in ((1.8, 1.8 * old + 32), (1 / 1.8, (old - 32) / 1.8)):
        near = abs(new - expected) < 3 * factor and -60 < min(old, new) < max(old, new) < 140
        if near and abs(spread - math.log(factor)) < SPREAD_TOLERANCE:
            return UnitChange(factor, "degrees Celsius and Fahrenheit")
    return None
