"""How fast lineage answers over a million edges: where a release comes from, and what a commit reached.

    .venv/bin/python benchmarks/governance/lineage.py [--edges 1000000] [--rounds 30]

Side by side: a walk up from a release, a walk down from a source, and one indexed point query, which is the floor of
any answer from this database. Exits 1 when a walk takes longer than its limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import insert, select

from falaj.governance import lineage
from falaj.governance.lineage import Node
from falaj.storage import Database
from falaj.storage.lineage_tables import LineageEdgeRow, ServedRow

LIMIT_MS = 50.0
STEPS = 8
NOW = 1_800_000_000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-lineage-") as folder:
        sys.exit(measure(Path(folder), given.edges, given.rounds))


def measure(folder: Path, edges: int, rounds: int) -> int:
    database = Database(f"sqlite:///{folder / 'falaj.db'}")
    database.migrate()
    runs = fill(database, edges)
    middle = runs // 2
    with database.reading() as session:
        point = select(LineageEdgeRow).where(LineageEdgeRow.derived == f"release:m@{middle}").limit(1)
        floor = median_ms(lambda: session.scalars(point).all(), rounds)
        up = median_ms(lambda: lineage.upstream(session, Node("release", f"m@{middle}")), rounds)
        down = median_ms(lambda: lineage.downstream(session, Node("commit", f"c{middle}")), rounds)
        then = median_ms(lambda: lineage.served_at(session, "prod", "m", NOW + middle + 0.5), rounds)
    for name, found in (("from a release up", up), ("from a commit down", down), ("what served then", then)):
        print(f"{name:20} {found / floor:7.1f}x a point query, {LIMIT_MS / found:6.1f}x within its limit")
    return 0 if max(up, down, then) < LIMIT_MS else 1


def fill(database: Database, edges: int) -> int:
    """Runs of eight steps each, with a release for each that served for a second; return how many."""
    per_run = len(list(edges_of(0)))
    runs = edges // per_run
    for start in range(0, runs, 1_000):
        rows = [row for run in range(start, min(start + 1_000, runs)) for row in edges_of(run)]
        with database.transaction() as session:
            session.execute(insert(LineageEdgeRow), rows)
            session.execute(insert(ServedRow), [served(run) for run in range(start, min(start + 1_000, runs))])
    return runs


def edges_of(run: int) -> Iterator[dict[str, object]]:
    pairs = [(f"run:r{run}", "ran", f"commit:c{run}"), (f"run:r{run}", "ran in", f"lock:l{run % 50}")]
    pairs += [(f"artifact:s{run}", "snapshot of", f"source:m/data{run % 20}")]
    last = f"artifact:s{run}"
    for step in range(STEPS):
        name, made = f"step:r{run}/{step}", f"artifact:a{run}-{step}"
        pairs += [(name, "part of", f"run:r{run}"), (name, "read", last), (made, "made by", name)]
        last = made
    pairs += [(f"release:m@{run}", "made by", f"run:r{run}"), (f"release:m@{run}", "serves", last)]
    pairs += [(f"release:m@{run}", "proved by", f"evidence:e{run}-{each}") for each in range(8)]
    yield from (
        {"derived": derived, "relation": relation, "origin": origin, "at": NOW} for derived, relation, origin in pairs
    )


def served(run: int) -> dict[str, object]:
    return {
        "environment": "prod", "model": "m", "location": "local", "release": run, "change_id": f"ch{run}",
        "began_at": NOW + run, "ended_at": NOW + run + 1,
    }  # fmt: skip


def median_ms(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


if __name__ == "__main__":
    main()
