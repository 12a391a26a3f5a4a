"""Scorings by the clock and by new data: one run an occasion."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from falaj.build.pipeline.sources import fingerprint
from falaj.config.spec import SourceSpec
from falaj.control.retraining import scheduled_scoring
from falaj.control.runs import lifecycle
from falaj.control.runs.scoring_run import PARAMETERS
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.durable import ProcessTable
from tests.databases import migrated_sqlite
from tests.owners import own

pytestmark = pytest.mark.integration

ENTRY: dict[str, Any] = {
    "input": "flights", "output": "file:///out", "environment": "prod", "location": "local", "keep": [],
    "classification": "internal", "origin": "AE", "sector": "",
}  # fmt: skip
CREATED_AT = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
TICK = datetime(2026, 3, 11, 3, tzinfo=UTC).timestamp()


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Database, ProcessTable]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    (tmp_path / "new.csv").write_text("x\n1\n")
    url = f"file://{tmp_path}/new.csv"
    entries = [ENTRY | {"on": "schedule", "cron": "0 3 * * *", "url": url}, ENTRY | {"on": "event", "url": url}]
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/r", branch="main", last_commit="b" * 40, created_at=CREATED_AT))
        own(session, "m", "p")
        session.add(
            ReleaseRow(
                model="m", number=1, project="p", run_id="r1", commit="a" * 40, digest="sha256:" + "0" * 64,
                state="live", data={"scoring": entries}, created_at=CREATED_AT,
            )
        )  # fmt: skip
    return database, ProcessTable(database, {"run": lifecycle.transition})


def state_of(url: str) -> str:
    return fingerprint(SourceSpec("raw", url, "", "")) or ""


def test_a_tick_is_one_run(parts: tuple[Database, ProcessTable]) -> None:
    database, table = parts
    with database.transaction() as session:
        assert scheduled_scoring.start_due(session, table, TICK - 1) == []
        (run,) = scheduled_scoring.start_due(session, table, TICK + 5)
        assert (run.trigger, run.commit) == ("scoring", "b" * 40)
        entry = run.params[PARAMETERS]
        assert (entry["model"], entry["origin"]) == ("m", "AE")
        assert entry["file"].startswith("flights-20260311T030005Z-")
        assert scheduled_scoring.start_due(session, table, TICK + 60) == []
        assert len(scheduled_scoring.start_due(session, table, TICK + 86_400)) == 1


def test_each_state_of_a_source_is_scored_once(parts: tuple[Database, ProcessTable]) -> None:
    database, table = parts
    with database.transaction() as session:
        (source_watch,) = scheduled_scoring.watched(session)
        path = Path(source_watch.entry["url"].removeprefix("file://"))
        for _ in range(2):
            scheduled_scoring.start_for(
                session,
                table,
                source_watch,
                state_of(source_watch.entry["url"]),
                TICK,
            )
        path.write_text("x\n1\n2\n")
        assert (
            scheduled_scoring.start_for(
                session,
                table,
                source_watch,
                state_of(source_watch.entry["url"]),
                TICK,
            )
            is not None
        )
        assert len(session.scalars(select(RunRow)).all()) == 2
