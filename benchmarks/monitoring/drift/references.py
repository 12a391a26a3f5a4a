"""Drift over time with short references: false alarms and power on real days in random order.

    python benchmarks/monitoring/drift/references.py FOLDER [--streams 40] [--only flights] [--json]

FOLDER holds the packages of `peers.py` as FOLDER/data. Whole days (in rainfall: 30 days) are put into random order, so
that rows of a day stay together and nothing drifts. The first 14, 28 or 60 are the reference; each 7 of the others,
used once, are a window, and the monitor follows them as a platform does: an alarm that lasts is one.

Power: from the sixth window on, one column is changed in every row; found means that an alarm names it. What the same
windows without the change had alarmed of before is not counted as found.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectors import Falaj
from scenarios import REAL, Table, is_category

from falaj.statistics.drift import DriftMonitor, judge_window
from falaj.statistics.profiles import Profile, ReferenceProfile, block_profiles

REFERENCES, WINDOW, BEFORE, AFTER = (14, 28, 60), 7, 5, 8
RUN_LENGTH = 100
CHANGED = {"flights": ("temp", "c_carrier"), "bikeshare": ("temp", "c_weathersit"), "rainfall": ("TEMP", "DEWP")}


@dataclass(frozen=True)
class FalseAlarms:
    """Of windows without drift."""

    windows: int
    alarms: int
    low: float
    high: float
    in_alarm: float
    single: float

    def __str__(self) -> str:
        """The cells of a row."""
        rate = f"{self.alarms / self.windows:.2%} ({self.low:.2%} to {self.high:.2%})"
        return f"{self.windows} | {rate} | {self.in_alarm:.1%} | {self.single:.1%}"


def days_of(reference: ReferenceProfile, table: Table, day: np.ndarray, days: np.ndarray) -> dict[int, Profile]:
    """One profile a day."""
    rows = np.isin(day, days)
    columns = Falaj.columns(table)
    part = {
        name: column.__class__(column.codes[rows], column.levels) if is_category(name) else column[rows]
        for name, column in columns.items()
    }
    profiles = block_profiles(reference.schema, part, day[rows].astype(float))
    return {int(profile.start): profile for profile in profiles}


def built(table: Table, day: np.ndarray, days: np.ndarray) -> ReferenceProfile:
    """The reference of some days."""
    rows = np.isin(day, days)
    return ReferenceProfile.build(
        Falaj.columns({name: column[rows] for name, column in table.items()}), block_of_row=day[rows]
    )


def false_alarms(table: Table, day: np.ndarray, size: int, streams: int, windows: int) -> FalseAlarms:
    """Alarms of many streams, each with a reference of its own; the interval is a bootstrap over streams."""
    counts, trial_count, lasting, single = [], 0, 0, 0
    for seed in range(streams):
        days = np.random.default_rng(seed).permutation(np.unique(day))
        reference = built(table, day, days[:size])
        order = days[size : size + windows * WINDOW]
        profiles = days_of(reference, table, day, order)
        monitor, alarms = DriftMonitor(run_length=RUN_LENGTH), 0
        for part in np.array_split(order, len(order) // WINDOW):
            report = judge_window(reference, [profiles[each] for each in part])
            monitor, alarm = monitor.step(report)
            alarms, trial_count = alarms + (alarm is not None), trial_count + 1
            lasting += bool(monitor.lasting)
            single += bool(report.drifted)
        counts.append(alarms)
    again = np.random.default_rng(0).choice(counts, (2000, streams)).sum(axis=1) / trial_count
    low, high = np.quantile(again, (0.025, 0.975))
    if not any(counts):  # a bootstrap of nothing is nothing: the binomial limit, windows taken as independent
        high = 1 - 0.025 ** (1 / trial_count)
    return FalseAlarms(trial_count, sum(counts), float(low), float(high), lasting / trial_count, single / trial_count)


def changes(name: str, table: Table) -> dict[str, Callable[[np.random.Generator, Table], tuple[str, Table]]]:
    """What is done to the columns of a data set."""
    number, other = CHANGED[name]
    spread = float(np.nanstd(table[number]))

    def shift(by: float) -> Callable[..., tuple[str, Table]]:
        return lambda _, part: (number, {**part, number: part[number] + by * spread})

    def missing(rng: np.random.Generator, part: Table) -> tuple[str, Table]:
        return number, {**part, number: np.where(rng.random(len(part[number])) < 0.1, np.nan, part[number])}

    def gain(points: float) -> Callable[..., tuple[str, Table]]:
        """The second most frequent level takes rows of all others."""
        values, counts = np.unique(table[other], return_counts=True)
        level = values[np.argsort(-counts)][1]
        share = counts[values == level][0] / counts.sum()
        take = points / (1 - share)
        return lambda rng, part: (
            other,
            {**part, other: np.where(rng.random(len(part[other])) < take, level, part[other])},
        )

    named_changes = {".25 sigma": shift(0.25), ".5 sigma": shift(0.5), "1 sigma": shift(1.0), "missing +10": missing}
    if is_category(other):
        named_changes |= {"category +3": gain(0.03), "category +5": gain(0.05), "category +10": gain(0.1)}
    return named_changes


def power(
    table: Table, day: np.ndarray, size: int, streams: int, change: Callable[..., tuple[str, Table]]
) -> dict[str, float]:
    """Share of streams in which a change is named within 1, 4 and 8 windows."""
    delays = []
    for seed in range(streams):
        rng = np.random.default_rng(1000 + seed)
        days = rng.permutation(np.unique(day))
        reference = built(table, day, days[:size])
        order = days[size : size + (BEFORE + AFTER) * WINDOW]
        calm, late = order[: BEFORE * WINDOW], order[BEFORE * WINDOW :]
        rows = np.isin(day, late)
        name, changed = change(rng, {key: column[rows] for key, column in table.items()})
        profiles = days_of(reference, table, day, calm) | days_of(reference, changed, day[rows], late)
        monitor, delay = DriftMonitor(run_length=RUN_LENGTH), np.inf
        for number, part in enumerate(np.array_split(order, len(order) // WINDOW)):
            monitor, alarm = monitor.step(judge_window(reference, [profiles[each] for each in part]))
            if alarm and name in alarm.features:
                delay = number - BEFORE + 1 if number >= BEFORE else np.nan
                break
        delays.append(delay)
    finite_delays = [delay for delay in delays if delay == delay]
    return {str(within): float(np.mean([delay <= within for delay in finite_delays])) for within in (1, 4, 8)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--windows", type=int, default=40, help="of a stream; fewer where the data end")
    parser.add_argument("--only", choices=sorted(REAL))
    parser.add_argument("--references", type=int, nargs="+", default=REFERENCES)
    parser.add_argument("--no-power", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    answer: list[dict[str, Any]] = []
    say = (lambda *_: None) if options.json else (lambda line: print(line, flush=True))
    for name in [options.only] if options.only else REAL:
        table, day = REAL[name](options.folder / "data")
        for size in options.references:
            alarm_rates = false_alarms(table, day, size, options.streams, options.windows)
            say(f"| {name} | {size} | {alarm_rates} |")
            answer.append({"data": name, "reference": size, **asdict(alarm_rates)})
            for label, change in {} if options.no_power else changes(name, table).items():
                shares = power(table, day, size, options.streams // 2, change)
                say(f"|   {label} | " + " | ".join(f"{share:.0%}" for share in shares.values()) + " |")
                answer[-1][label] = shares
    if options.json:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
