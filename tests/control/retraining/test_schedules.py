"""A schedule makes one run a tick, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from falaj.control import retraining
from falaj.control.retraining.model_settings import retrain_settings_of
from falaj.control.retraining.overview import overview
from falaj.control.runs import lifecycle
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.durable import ProcessTable
from tests.databases import database, postgres
from tests.owners import own

pytestmark = pytest.mark.integration

__all__ = ["database", "postgres"]

MONTHLY: dict[str, Any] = {"on": "schedule", "cron": "0 3 1 * *", "timezone": "Asia/Dubai"}


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


CREATED_AT = _at("2013-03-10 12:00")
TICK = _at("2013-03-31 23:00")  # 3 o'clock of 1 April in Dubai


@pytest.fixture
def table(database: Database) -> ProcessTable:
    with database.transaction() as session:
        session.add(
            ProjectRow(
                name="p", repository="/r", branch="main", vendor=None, last_commit="b" * 40, created_at=CREATED_AT
            )
        )
        own(session, "m", "p")
        _release(session, 1, [MONTHLY])
    return ProcessTable(database, {"run": lifecycle.transition})


def _release(
    session: Any, number: int, retrain: list[dict[str, Any]], release_time: float = CREATED_AT, state: str = "live"
) -> None:
    session.add(
        ReleaseRow(
            model="m", number=number, project="p", run_id=f"r{number}", commit="a" * 40, digest="sha256:" + "0" * 64,
            state=state, data={"retrain": retrain}, created_at=release_time,
        )
    )  # fmt: skip


def _start(database: Database, table: ProcessTable, now: float) -> list[tuple[str, str]]:
    with database.transaction() as session:
        return [(run.trigger, run.commit) for run in retraining.start_due(session, table, now)]


def test_the_overview_says_when_a_schedule_is_due_next(database: Database, table: ProcessTable) -> None:
    for now, due in ((CREATED_AT, TICK), (TICK - 1.0, TICK), (TICK, _at("2013-04-30 23:00"))):
        with database.reading() as session:
            settings = retrain_settings_of(session, "m")
            assert settings is not None
            triggers = overview(session, settings, now).triggers
        assert [each.next_due_at for each in triggers] == [due, None], "a person waits for no clock"


def _end_runs(database: Database) -> None:
    with database.transaction() as session:
        for run in session.query(RunRow):
            run.state = "failed"


def test_nothing_starts_before_the_tick(database: Database, table: ProcessTable) -> None:
    assert _start(database, table, TICK - 1) == []


def test_a_tick_is_one_run_of_the_newest_commit_whether_it_fails_or_not(
    database: Database, table: ProcessTable
) -> None:
    assert _start(database, table, TICK + 1) == [("schedule", "b" * 40)]
    _end_runs(database)
    assert _start(database, table, TICK + 2) == []


def test_of_several_missed_ticks_the_last_is_made_up_for(database: Database, table: ProcessTable) -> None:
    assert len(_start(database, table, _at("2013-06-15 00:00"))) == 1
    _end_runs(database)
    assert _start(database, table, _at("2013-06-15 00:01")) == []


def test_a_project_with_a_run_under_way_waits(database: Database, table: ProcessTable) -> None:
    with database.transaction() as session:
        session.add(
            RunRow(id="x", project="p", commit="c" * 40, trigger="push", params={}, state="running", created_at=TICK)
        )
    assert _start(database, table, TICK + 1) == []
    _end_runs(database)
    assert len(_start(database, table, TICK + 2)) == 1


def test_the_newest_release_says_when(database: Database, table: ProcessTable) -> None:
    with database.transaction() as session:
        _release(session, 2, [{"on": "drift"}])
    assert _start(database, table, TICK + 1) == []


def test_a_release_made_after_the_tick_is_not_trained_for_it(database: Database, table: ProcessTable) -> None:
    with database.transaction() as session:
        _release(session, 2, [MONTHLY], release_time=TICK + 60)
    assert _start(database, table, TICK + 120) == []


def test_a_withdrawn_release_is_not_trained_again(database: Database, table: ProcessTable) -> None:
    with database.transaction() as session:
        _release(session, 2, [MONTHLY], state="revoked")
    assert _start(database, table, TICK + 1) == []
