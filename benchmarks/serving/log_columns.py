"""A prediction log in columns beside the same log as it was written.

    python benchmarks/serving/log_columns.py [--predictions 40000] [--rounds 3]

Two logs, each in the clear and sealed: rows as flights have them (small whole numbers, distances, a few carriers), and
rows of 20 random numbers, which nothing compresses. Sizes are compared, and the CPU seconds of an export, of following
the log, of looking single records up by their place, and of finding a prediction by its id, the same ones in both.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from falaj.dataplane.prediction_log import (
    LogKeys,
    LogWriter,
    Lookup,
    SegmentHeader,
    find_prediction,
    follow,
    new_log_key,
    segments,
    tail,
)
from falaj.dataplane.prediction_log.compaction import CompactionOutcome, compact
from falaj.dataplane.prediction_log.export import ExportSelection, export_predictions
from falaj.supply_chain.encryption import DataKey

KEY = DataKey("ab" * 16, "default", bytes(32))
KEYS = LogKeys(lambda _id: KEY)
Row = Callable[[random.Random], tuple[Any, ...]]


def flight(source: random.Random) -> tuple[Any, ...]:
    hour, month = source.randrange(24), source.randrange(1, 13)
    carrier, distance = source.choice(("UA", "AA", "DL", "EK")), source.randrange(100, 5_000)
    delay = round(source.expovariate(0.1), 1) if source.random() < 0.9 else None
    return hour, month, carrier, distance, delay, float(source.randrange(2)), source.choice(("DXB", "AUH", "SHJ"))


def numbers(source: random.Random) -> tuple[Any, ...]:
    return tuple(source.random() for _ in range(20))


def write_log(folder: Path, row: Row, count: int, *, sealed: bool) -> list[str]:
    source = random.Random(7)
    header = SegmentHeader("m@1", "prod/m", tuple(f"x{index}" for index in range(len(row(source)))), 0)
    log = LogWriter(folder, header, time.time_ns, key=new_log_key(KEY, header.owner) if sealed else None)
    ids = [str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(count)]
    for start in range(0, count, 50):
        p = source.random()
        answers = [(each, time.time_ns(), [row(source)], {"label": [int(p > 0.5)], "probability": [[p, 1 - p]]},
                    (1, 500, None, source.randrange(500, 2_000))) for each in ids[start : start + 50]]  # fmt: skip
        log.write(answers)
    log.close()
    return ids


def export(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        export_predictions(folder, KEYS, lambda *_: {}, Path(out) / "out", ExportSelection("prod/m", 0.0, 1e11), {})


def read(folder: Path) -> None:
    position: dict[str, Any] = {}
    while (chunk := tail(folder, position, KEYS))[0]:
        position = chunk[1]


def look_up(folder: Path, places: list[tuple[str, int]]) -> None:
    lookup = Lookup(folder, KEYS)
    log_rows = [lookup.read(*place) for place in places]
    assert all(log_rows)
    lookup.close()


def cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(row: Row, count: int, rounds: int, *, sealed: bool) -> dict[str, float]:
    """Written over columns: above 1, columns are smaller or faster."""
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as after:
        ids = write_log(Path(before), row, count, sealed=sealed)
        write_log(Path(after), row, count, sealed=sealed)
        outcomes = {compact(path, KEYS, {"residency": "AE"}) for path in segments(Path(after))}
        assert outcomes == {CompactionOutcome.DONE}
        sizes = [sum(file.stat().st_size for file in Path(each).iterdir()) for each in (before, after)]
        jobs: dict[str, Callable[[Path], object]] = {
            "export": export,
            "read": read,
            "find": lambda folder: [find_prediction(folder, each, KEYS) for each in ids[::4_000]],
        }
        ratios_by_name: dict[str, list[float]] = {"size": [sizes[0] / sizes[1]]}
        places = {each: [(e.segment, e.offset) for e in follow(Path(each), {}, KEYS, limit=count)[0]]
                  for each in (before, after)}  # fmt: skip
        jobs["look up"] = lambda folder: look_up(folder, places[str(folder)][::5])
        jobs["look up, few"] = lambda folder: look_up(folder, places[str(folder)][::2_000])
        for _ in range(rounds):
            for name, job in jobs.items():
                spent = [cpu_seconds(lambda job=job, each=each: job(Path(each))) for each in (before, after)]
                ratios_by_name.setdefault(name, []).append(spent[0] / spent[1])
    return {name: statistics.median(ratios) for name, ratios in ratios_by_name.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for row in (flight, numbers):
        for sealed in (False, True):
            ratios = compare(row, options.predictions, options.rounds, sealed=sealed)
            words = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(f"{row.__name__:<8} {'sealed' if sealed else 'clear':<7} written / columns: {words}")


if __name__ == "__main__":
    main()
