"""One door for trainings: storms, budgets, failures and persons, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.retraining import Requested, TrainingWindowError, TriggerError, advance, request_training, resume
from falaj.control.retraining.history import models_to_advance
from falaj.core.errors import NotFoundError
from falaj.storage import Database, ReleaseRow, RunRow
from falaj.storage.audit_tables import AuditLeafRow
from falaj.storage.durable import ProcessTable
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow
from falaj.storage.retraining_tables import TrainingRequestRow
from falaj.trust import lineage
from tests.control.retraining.projects import DAY, HOUR, NOW, end_run, registered, release
from tests.databases import database, migrated_postgres, migrated_sqlite, postgres

pytestmark = pytest.mark.integration

__all__ = ["database", "migrated_postgres", "postgres"]

DRIFT = {"on": "drift"}
MANUAL = {"kind": "manual", "reason": "a look at new features"}


def alert(name: str = "a1", **more: Any) -> dict[str, Any]:
    return {"kind": "drift", "alert": name, "reason": "the loss has risen", **more}


@dataclass
class Door:
    """The door beside a database."""

    database: Database
    table: ProcessTable

    def ask(self, cause: dict[str, Any], now: float = NOW, **more: Any) -> Requested:
        with self.database.transaction() as session:
            return request_training(session, self.table, "m", cause, now, **more)

    def advance(self, now: float) -> None:
        with self.database.transaction() as session:
            advance(session, self.table, "m", now)

    def end(self, run: str | None, state: str, at: float, reason: str = "", **data: Any) -> None:
        with self.database.transaction() as session:
            end_run(session, run, state, at, reason, **data)
        self.advance(at)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self.database.reading() as session:
            yield session

    def rows(self) -> list[TrainingRequestRow]:
        with self.session() as session:
            return list(session.scalars(select(TrainingRequestRow).order_by(TrainingRequestRow.requested_at)))

    def runs(self) -> list[RunRow]:
        with self.session() as session:
            return list(session.scalars(select(RunRow).order_by(RunRow.created_at)))


WISHES = (DRIFT, {"on": "event", "source": "sales"}, {"on": "labels", "every": 5})


@pytest.fixture
def door(tmp_path: Path) -> Door:
    new_database = migrated_sqlite(tmp_path / "falaj.db")
    return Door(new_database, registered(new_database, *WISHES))


@pytest.fixture
def each_door(database: Database) -> Door:
    """On both kinds of databases, for what differs between them: locks, conflicts, JSON."""
    return Door(database, registered(database, *WISHES))


def test_an_alert_starts_a_run_that_names_it(each_door: Door) -> None:
    door = each_door
    training_request = door.ask(alert(since=NOW - 20 * DAY))
    assert training_request.state == "started"
    (run,) = door.runs()
    assert (run.id, run.trigger, run.state, run.commit) == (training_request.run, "drift", "queued", "b" * 40)
    with door.session() as session:
        edges = lineage.upstream(session, lineage.Node("run", run.id), 10)
        kinds = set(session.scalars(select(AuditLeafRow.kind)))
    assert [(str(each.derived), str(each.origin)) for each in edges] == [
        (f"run:{run.id}", f"training:{training_request.id}"),
        (f"training:{training_request.id}", "alert:a1"),
    ]
    assert {"training.requested", "training.started", "run.queued"} <= kinds


def test_a_storm_is_one_run_and_two_rows(each_door: Door) -> None:
    door = each_door
    first = door.ask(alert("a0"))
    later = [door.ask(alert(f"a{index}"), NOW + index) for index in range(1, 30)]
    assert {each.state for each in later} == {"waiting"}
    assert len(door.runs()) == 1
    assert [(row.state, row.times) for row in door.rows()] == [("started", 1), ("waiting", 29)]
    door.end(first.run, "succeeded", NOW + HOUR, retraining={"wins": True})
    assert door.rows()[1].state == "waiting"
    door.advance(NOW + 8 * HOUR)
    assert [row.state for row in door.rows()] == ["won", "started"]
    assert door.ask(alert("a20"), NOW + 9 * HOUR).run == door.runs()[1].id


def test_what_happened_before_a_run_began_is_answered_by_it(door: Door) -> None:
    first = door.ask(alert("a0"))
    waiting = door.ask(
        {"kind": "event", "source": "sales", "occasion": "s/1", "reason": "new rows", "at": NOW - 9}, NOW + 1
    )
    assert waiting.state == "waiting"
    door.end(first.run, "succeeded", NOW + HOUR)
    assert [row.state for row in door.rows()] == ["won", "refused"]
    assert "has seen its data" in door.rows()[1].reason


def test_asking_again_for_an_occasion_gives_the_same_answer(door: Door) -> None:
    assert door.ask(alert()) == door.ask(alert(), NOW + DAY)
    assert len(door.rows()) == 1


def test_what_the_project_file_does_not_ask_for_is_refused(door: Door) -> None:
    with door.database.transaction() as session:
        session.add(release(2, {"on": "event", "source": "sales"}))
    training_request = door.ask(alert())
    assert (training_request.state, training_request.run) == ("refused", None)
    assert "m@2 asks for no such training" in training_request.reason
    other = door.ask({"kind": "event", "source": "weather", "occasion": "w/1", "reason": "new rows"})
    assert other.state == "refused"
    assert door.ask(MANUAL).state == "started"


def test_a_run_of_the_project_that_something_else_started_is_waited_for(door: Door) -> None:
    with door.database.transaction() as session:
        session.add(
            RunRow(id="x", project="p", commit="c" * 40, trigger="push", params={}, state="running", created_at=NOW)
        )
    assert door.ask(alert()).reason == "run x of the project is under way"
    with door.database.transaction() as session:
        session.get_one(RunRow, "x").state = "succeeded"
    door.advance(NOW + 1)
    assert [row.state for row in door.rows()] == ["started"]


def test_the_budget_of_the_project_file_holds(tmp_path: Path) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    door = Door(database, registered(database, {"on": "drift", "cooldown_s": 0, "budget": {"runs_a_week": 2}}))
    for index in range(2):
        at = NOW + index * DAY
        door.end(door.ask(alert(f"a{index}"), at).run, "succeeded", at + HOUR)
    third = door.ask(alert("a2"), NOW + 2 * DAY)
    assert (third.state, third.until) == ("waiting", NOW + 7 * DAY)
    door.advance(NOW + 7 * DAY + 1)
    assert door.rows()[-1].state == "started"


def test_a_training_that_breaks_is_tried_again_later_each_time_until_a_person_resumes(door: Door) -> None:
    now, starts = NOW, []
    run = door.ask(alert()).run
    while run:
        starts.append(now)
        door.end(run, "failed", now + 60, "step train: no memory")
        for _ in range(40):
            now += HOUR
            door.advance(now)
        newest = door.rows()[-1]
        run = newest.run_id if newest.state == "started" else None
        now = newest.started_at or now
    assert len(starts) == 3
    assert starts[2] - starts[1] > starts[1] - starts[0] >= 6 * HOUR
    assert [row.state for row in door.rows()] == ["failed", "failed", "failed", "refused"]
    assert "resume" in door.rows()[-1].reason
    now += 2 * DAY
    assert door.ask(alert("a2"), now).state == "refused"
    with door.database.transaction() as session:
        resume(session, "m", "user:ana", now + 1)
    assert door.ask(alert("a3"), now + 2).state == "started"


LOST = {"wins": False, "reason": "not shown to be better"}


def test_after_candidates_that_do_not_win_the_next_one_waits_longer_each_time_and_none_stops_for_good(
    door: Door,
) -> None:
    at, pauses = NOW, []
    for index in range(4):
        at += 60
        training_request = door.ask(alert(f"a{index}"), at)
        if training_request.until is not None:
            pauses.append(round((training_request.until - at) / DAY))
            assert "did not win" in training_request.reason
            at = training_request.until
            door.advance(at)
        row = next(row for row in door.rows() if row.occasion == f"alert/a{index}")
        door.end(row.run_id, "succeeded", at, retraining=LOST)
    assert pauses == [1, 2, 4]


def test_after_a_candidate_that_lost_its_rows_are_counted(door: Door) -> None:
    with door.database.transaction() as session:
        release_row = session.get_one(ReleaseRow, ("m", 1))
        release_row.data = {**release_row.data, "learned_rows": 1000}
    door.end(door.ask(alert("a0")).run, "succeeded", NOW + HOUR, retraining=LOST, learned_rows=1000)
    training_request = door.ask(alert("a1"), NOW + 30 * DAY)
    assert training_request.state == "waiting"
    assert "waits for 1200; there are 1000" in training_request.reason


@pytest.mark.parametrize(("cause", "outcome"), [(alert(), "lost"), (MANUAL, "unchanged")])
def test_nothing_new_is_no_remedy_for_drift_and_no_failure_of_others(
    door: Door, cause: dict[str, Any], outcome: str
) -> None:
    door.end(door.ask(cause).run, "succeeded", NOW + HOUR, "nothing new: the model of m@1 again")
    assert [row.state for row in door.rows()] == [outcome]


def test_a_person_goes_first_and_beyond_the_budget_where_allowed(tmp_path: Path) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    door = Door(database, registered(database, {"on": "drift", "budget": {"runs_a_week": 1}}))
    door.end(door.ask(alert()).run, "succeeded", NOW + HOUR)
    assert door.ask(MANUAL, NOW + 2 * HOUR).state == "waiting"
    assert door.ask({**MANUAL, "occasion": "now"}, NOW + 3 * HOUR, beyond_budget=True).state == "started"


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, {"train_until", "backtest_until"}),
        ({"strategy": "since-drift"}, {"train_from", "train_until", "backtest_until"}),
        ({"strategy": "weighted", "half_life_s": 60 * DAY}, {"train_until", "backtest_until", "half_life_days"}),
    ],
)
def test_the_window_is_decided_when_the_run_starts(door: Door, window: dict[str, Any], expected: set[str]) -> None:
    door.ask(alert(since=NOW - 40 * DAY), window=window)
    assert set(door.rows()[0].data["window"]["parameters"]) == expected


def test_a_window_without_rows_to_judge_by_is_no_training(door: Door) -> None:
    training_request = door.ask(alert(), window={"strategy": "sliding", "length_s": 3 * DAY})
    assert training_request.state == "refused"
    assert "none is left to learn from" in training_request.reason
    assert door.runs() == []


def test_requests_that_say_nothing_sensible_leave_nothing(door: Door) -> None:
    for wrong in ({}, {"kind": "drift"}, {"kind": "moon", "reason": "full"}, alert(occasion="x" * 201)):
        with pytest.raises(TriggerError):
            door.ask(wrong)
    with pytest.raises(TrainingWindowError):
        door.ask(MANUAL, window={"strategy": "moon"})
    with door.database.transaction() as session:
        session.get_one(ReleaseRow, ("m", 1)).state = "revoked"
    with pytest.raises(NotFoundError):
        door.ask(MANUAL)
    assert door.rows() == []


def test_what_waits_is_looked_at_only_when_it_may_be_decided_otherwise(door: Door) -> None:
    def due(now: float) -> list[str]:
        with door.session() as session:
            return models_to_advance(session, now)

    first = door.ask(alert("a0"))
    door.ask(alert("a1"), NOW + 1)
    assert due(NOW + DAY) == []
    with door.database.transaction() as session:
        end_run(session, first.run, "succeeded", NOW + HOUR)
    assert due(NOW + HOUR) == ["m"]
    door.advance(NOW + HOUR)
    assert due(NOW + 6 * HOUR) == []  # the pause goes on
    assert due(NOW + 7 * HOUR) == ["m"]


def test_of_requests_in_the_same_moment_one_starts(each_door: Door) -> None:
    with ThreadPoolExecutor(6) as pool:
        training_requests = list(pool.map(lambda index: each_door.ask(alert(f"a{index}")), range(6)))
    assert sorted(each.state for each in training_requests) == ["started"] + ["waiting"] * 5
    assert len(each_door.runs()) == 1


def test_the_alert_that_asked_is_told_that_it_did_not_help(door: Door) -> None:
    with door.database.transaction() as session:
        session.add(
            AlertRow(
                id="a1", project="p", location="x", environment="prod", model="m", release=1, state="open",
                cause="concept-drift", severity="critical", opened_at=NOW, updated_at=NOW, data={},
            )
        )  # fmt: skip
    verdict = {"wins": False, "reason": "not shown to be better"}
    door.end(door.ask(alert()).run, "succeeded", NOW + HOUR, retraining=verdict)
    with door.session() as session:
        (note,) = session.scalars(select(AlertNoteRow))
    assert (note.alert, note.text) == ("a1", "retraining did not help (m@2): not shown to be better")


def test_entries_for_events_are_told_apart(tmp_path: Path) -> None:
    database = migrated_sqlite(tmp_path / "falaj.db")
    wishes = ({"on": "event", "upstream": "above"}, {"on": "event", "source": "sales", "cooldown_s": 9.0})
    door = Door(database, registered(database, *wishes))
    assert door.ask({"kind": "event", "source": "weather", "occasion": "w", "reason": "new"}).state == "refused"
    first = door.ask({"kind": "event", "upstream": "above", "occasion": "u", "reason": "new"}, NOW + 1)
    door.end(first.run, "succeeded", NOW + 2)
    soon = door.ask({"kind": "event", "source": "sales", "occasion": "s", "reason": "new"}, NOW + 3)
    assert (soon.state, soon.until) == ("waiting", NOW + 11)
