from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from falaj.build.pipeline.events import RunEvent
from falaj.control.runs import event_writer
from falaj.control.runs.event_writer import Journal
from falaj.core.errors import UnavailableError
from falaj.storage import Database, EventRow, ProcessRow, ProjectRow, RunRow, StepRunRow

pytestmark = pytest.mark.integration


@pytest.fixture
def run_id(database: Database) -> str:
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/p", branch="main", created_at=0.0))
        session.flush()
        session.add(
            RunRow(id="r", project="p", commit="c", trigger="manual", params={}, state="running", created_at=0.0)
        )
    return "r"


class Away:
    """A database that refuses its first transactions."""

    def __init__(self, database: Database, refusals: int) -> None:
        self._database, self.refusals = database, refusals

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if self.refusals:
            self.refusals -= 1
            raise UnavailableError("database is locked")
        with self._database.transaction() as session:
            yield session


def steps(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {row.node: row.state for row in session.scalars(select(StepRunRow))}


@pytest.mark.parametrize("refusals", [0, 1, 3])
def test_nothing_is_lost_while_the_database_is_away(
    database: Database, run_id: str, refusals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "_TRY_AGAIN_S", 0.01)
    away = Away(database, refusals)
    with Journal(away, run_id, 1) as journal:  # type: ignore[arg-type]
        journal.set_mlflow_run("m")
        journal.emit(RunEvent("step.started", 1.0, "a"))
        time.sleep(0.15)
        journal.emit(RunEvent("step.finished", 2.0, "a"))
        journal.emit(RunEvent("step.failed", 3.0, "b"))
    assert steps(database) == {"a": "succeeded", "b": "failed"}
    with database.reading() as session:
        kinds = [row.kind for row in session.scalars(select(EventRow).order_by(EventRow.id))]
        assert kinds == ["step.started", "step.finished", "step.failed"]
        assert session.get_one(RunRow, run_id).mlflow_run == "m"


def test_a_database_that_stays_away_does_not_hold_the_worker_for_ever(
    database: Database, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "_TRY_AGAIN_S", 0.01)
    monkeypatch.setattr(event_writer, "_GIVE_UP_AFTER_S", 0.1)
    with Journal(Away(database, 10_000), run_id, 1) as journal:  # type: ignore[arg-type]
        journal.emit(RunEvent("step.started", 1.0, "a"))
    assert steps(database) == {}


def test_who_lost_the_lease_writes_nothing_any_more(database: Database, run_id: str) -> None:
    with database.transaction() as session:
        session.add(
            ProcessRow(id=run_id, kind="run", state="running", data={}, fence=2, created_at=1.0, updated_at=1.0)
        )
    with Journal(database, run_id, 1) as stale:
        stale.set_mlflow_run("stale")
        stale.emit(RunEvent("step.failed", 1.0, "a"))
    assert steps(database) == {}
    with Journal(database, run_id, 2) as current:
        current.emit(RunEvent("step.finished", 2.0, "a"))
    assert steps(database) == {"a": "succeeded"}
    with database.reading() as session:
        assert session.get_one(RunRow, run_id).mlflow_run is None
