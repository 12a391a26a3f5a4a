"""The join of labels beside a join in memory that forgets everything at its end.

    python benchmarks/serving/label_join.py [--predictions 100000] [--rounds 3]

Predictions of 20 features are logged, then as many labels come in requests of 5,000 in another order. The join takes
predictions in as they were logged, then the labels of a bulk import, and gives what came together, all of it durable.
Beside it, in the same rounds: a dictionary of all predictions, filled from the same log by the same reader, and the
labels looked up in it. CPU seconds are compared, since others may use the machine.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.prediction_log import (
    LABELS,
    LogKeys,
    LogWriter,
    SegmentHeader,
    follow,
    labels_of,
    new_log_key,
    tail,
)
from falaj.supply_chain.encryption import DataKey

KEY = DataKey("ab" * 16, "default", bytes(32))
KEYS = LogKeys(lambda _id: KEY)
NAMES = tuple(f"x{index}" for index in range(20))


def write_log(folder: Path, count: int, *, sealed: bool) -> None:
    header = SegmentHeader("m@1", "prod/m", NAMES, 0)
    key = new_log_key(KEY, header.owner) if sealed else None
    source = random.Random(7)
    log = LogWriter(folder, header, time.time_ns, key=key)
    ids = [str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(count)]
    for start in range(0, count, 50):
        answers = [
            (name, time.time_ns(), [tuple(source.random() for _ in NAMES)], {"label": [1]}, (1, 500, None, 900))
            for name in ids[start : start + 50]
        ]
        log.write(answers)
    log.close()
    source.shuffle(ids)
    labels = LogWriter(folder, SegmentHeader("m@1", "prod/m", (), 0, kind=LABELS), time.time_ns, key=key, synced=True)
    for start in range(0, count, 5_000):
        labels.write([("r", time.time_ns(), [(name, 1, None) for name in ids[start : start + 5_000]])])
    labels.close()


def everything(folder: Path, kind: str | None) -> Iterator[object]:
    position: dict[str, object] = {}
    while True:
        entries, position = tail(folder, position, KEYS) if kind is None else follow(folder, position, KEYS, kind=kind)
        if not entries:
            return
        yield from entries


def in_memory(folder: Path) -> int:
    records = {record.request_id: record for record in everything(folder, None)}
    labels = (one for entry in everything(folder, LABELS) for one in labels_of(entry.header, entry.raw))
    return sum(1 for one in labels if (one.prediction_id in records and (records[one.prediction_id], one.label)))


def by_join(folder: Path, database: Path) -> tuple[int, dict[str, float]]:
    """How many came together, and CPU seconds of taking the log in and of giving what was joined."""
    with LabelJoin(database, folder, KEYS) as join:
        began = time.process_time()
        join.advance()
        midpoint = time.process_time()
        count = sum(len(batch) for batch in join.batches(limit=5_000))
        return count, {"take in": midpoint - began, "give": time.process_time() - midpoint}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for sealed in (False, True):
        ratios: list[float] = []
        shares: list[dict[str, float]] = []
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "log"
            write_log(folder, options.predictions, sealed=sealed)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for number in range(options.rounds):
                count, spent = by_join(folder, Path(scratch) / f"{number}.db")
                after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                began = time.process_time()
                assert in_memory(folder) == count == options.predictions
                ratios.append(sum(spent.values()) / (time.process_time() - began))
                shares.append(spent)
                if not number:
                    grown = (after - before) >> 10
            size = (Path(scratch) / "0.db").stat().st_size / sum(f.stat().st_size for f in folder.iterdir())
        take, give = (statistics.median(each[name] for each in shares) for name in ("take in", "give"))
        rate = options.predictions / take / 1_000
        print(f"{'sealed' if sealed else 'in the clear'}: {statistics.median(ratios):.2f} times the work in memory")
        print(f"  takes in {rate:.0f} times 1,000 predictions with their labels a second on one core")
        print(f"  giving is {give / (take + give):.0%} of the work; the peak of memory rose by {grown} MB")
        print(f"  the file is {size:.0%} of the log")


if __name__ == "__main__":
    main()
