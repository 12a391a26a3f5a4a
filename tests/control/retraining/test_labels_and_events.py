"""Labels, data sources, upstream releases and other systems as reasons for trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.build.pipeline.sources import fingerprint
from falaj.control.retraining import events, labels
from falaj.control.retraining.model_settings import retrain_settings_of
from falaj.storage import Database, EndpointRow, ReleaseRow
from falaj.storage.durable import ProcessTable
from falaj.storage.monitoring_tables import LossRunRow, ProfileBlockRow
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow
from tests.control.retraining.projects import DAY, NOW, registered, release
from tests.databases import database, migrated_postgres, migrated_sqlite, postgres
from tests.owners import own

pytestmark = pytest.mark.integration

__all__ = ["database", "migrated_postgres", "postgres"]

SOURCE = {"on": "event", "source": "sales", "poll_s": 60.0}


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    return migrated_sqlite(tmp_path / "falaj.db")


def block(number: int, labelled: int, arm: str = "answered") -> ProfileBlockRow:
    return ProfileBlockRow(
        location="x", environment="dev", model="m", release=1, arm=arm, number=number, start=0.0, end=1.0,
        rows=labelled, final=False, revision=1, least=0, features=None, predictions=None,
        losses={"labelled": labelled, "total": 0.0, "cells": [0]} if labelled else None, received_at=NOW,
    )  # fmt: skip


def losses(mean: float, count: int) -> list[LossRunRow]:
    return [
        LossRunRow(
            location="x", environment="dev", model="m", release=1, arm="answered", number=number, rows=100,
            mean=mean + 0.01 * (number % 2), start=0.0, end=1.0, labelled_at=float(number),
        )
        for number in range(count)
    ]  # fmt: skip


def serve(session: Session) -> None:
    session.add(
        EndpointRow(
            location="x", environment="dev", model="m", release=1, previous=None, version=1, plan={},
            status={"state": "ready", "release": 1},
            updated_at=NOW,
        )
    )  # fmt: skip


def test_so_many_new_labels_start_a_training(database: Database) -> None:
    table = registered(database, {"on": "labels", "every": 50})

    def ask(now: float) -> list[str]:
        with database.transaction() as session:
            return [each.reason for each in labels.ask_for_labels(session, table, now)]

    with database.transaction() as session:
        session.add_all([block(0, 70), block(0, 500, arm="shadow"), block(1, 0)])
    assert ask(NOW) == []  # what was there when the release was first looked at does not count
    with database.transaction() as session:
        session.add(block(2, 49))
    assert ask(NOW + 1) == []
    with database.transaction() as session:
        session.add(block(3, 1))
    assert ask(NOW + 2) == ["50 new labels, 50 are worth a training"]


@pytest.mark.parametrize(("mean", "count", "asks"), [(0.3, 20, True), (0.3, 7, False), (0.2, 20, False)])
def test_a_loss_above_the_bound_starts_a_training(sqlite: Database, mean: float, count: int, asks: bool) -> None:
    table = registered(sqlite, {"on": "labels", "loss_above": 0.25})
    with sqlite.transaction() as session:
        serve(session)
        session.add_all(losses(mean, count))
        assert [each.state for each in labels.ask_for_labels(session, table, NOW)] == ["started"] * asks


def test_nothing_is_live_and_nothing_is_known_of_its_loss(sqlite: Database) -> None:
    table = registered(sqlite, {"on": "labels", "loss_above": 0.25})
    with sqlite.transaction() as session:
        assert labels.ask_for_labels(session, table, NOW) == []


def state_of(look: events.RetrainingTick) -> str | None:
    return fingerprint(look.spec)


def look_at_labels(
    database: Database, table: ProcessTable, now: float, look: Callable[[events.RetrainingTick], str | None]
) -> list[str]:
    with database.reading() as session:
        due = events.due_looks(session, now)
    request_states = []
    for each in due:
        with database.transaction() as session:
            training_request = events.note_seen(session, table, events.look_at(each, look), now)
            request_states.append(training_request.state if training_request else "-")
    return request_states


def with_sources(database: Database, **sources: str) -> None:
    with database.transaction() as session:
        row = session.get_one(ReleaseRow, ("m", 1))
        row.data = {**row.data, "sources": sources}


def test_a_file_that_changes_starts_a_training_once(database: Database, tmp_path: Path) -> None:
    table = registered(database, SOURCE)
    rows = tmp_path / "rows.csv"
    rows.write_text("a")
    with_sources(database, sales=f"file://{rows}")
    assert look_at_labels(database, table, NOW, state_of) == ["-"]
    rows.write_text("ab")
    assert look_at_labels(database, table, NOW + 30, state_of) == []
    assert look_at_labels(database, table, NOW + 61, state_of) == ["started"]
    assert look_at_labels(database, table, NOW + 122, state_of) == ["-"]


def test_a_source_that_is_away_is_remembered_and_no_event(sqlite: Database, tmp_path: Path) -> None:
    table = registered(sqlite, SOURCE)
    rows = tmp_path / "rows.csv"
    rows.write_text("a")
    with_sources(sqlite, sales=f"file://{rows}")
    look_at_labels(sqlite, table, NOW, state_of)
    rows.rename(tmp_path / "away.csv")
    assert look_at_labels(sqlite, table, NOW + 61, state_of) == ["-"]
    (tmp_path / "away.csv").rename(rows)
    with sqlite.reading() as session:
        assert "No such file" in session.get_one(RetrainingRow, "m").observations["sources"]["sales"]["problem"]


@pytest.mark.parametrize("url", ["package://data/rows.csv", "file://data/rows.csv"])
def test_what_changes_only_with_a_commit_is_no_event(sqlite: Database, url: str) -> None:
    table = registered(sqlite, SOURCE)
    with_sources(sqlite, sales=url)
    assert look_at_labels(sqlite, table, NOW, state_of) == ["-"]
    assert look_at_labels(sqlite, table, NOW + 61, state_of) == ["-"]


def test_a_newer_release_upstream_starts_a_training_once(sqlite: Database) -> None:
    table = registered(sqlite, {"on": "event", "upstream": "above"})

    def ask(now: float) -> list[str]:
        with sqlite.transaction() as session:
            return [each.state for each in events.ask_for_upstream(session, table, now)]

    def write_labels(number: int, at: float) -> None:
        with sqlite.transaction() as session:
            row = release(number, release_time=at)
            row.model, row.run_id = "above", f"above{number}"
            own(session, row.model, row.project)
            session.add(row)

    assert ask(NOW) == []
    write_labels(1, NOW - 40 * DAY)
    assert ask(NOW) == []
    write_labels(2, NOW - 1)
    assert ask(NOW) == ["started"]
    assert ask(NOW + 60) == ["started"]
    with sqlite.reading() as session:
        assert retrain_settings_of(session, "m") is not None


@pytest.mark.parametrize(
    ("announcement", "states"),
    [
        ({"source": "sales", "id": "1"}, ["started"]),
        ({"url": "s3://lake/sales/2026/11.parquet", "id": "1"}, ["started"]),
        ({"url": "s3://lake/salesmen/1.parquet", "id": "1"}, []),
        ({"source": "weather", "id": "1"}, []),
        ({"id": "1"}, []),
    ],
)
def test_other_systems_tell_of_events(sqlite: Database, announcement: dict[str, Any], states: list[str]) -> None:
    table = registered(sqlite, SOURCE)
    with_sources(sqlite, sales="s3://lake/sales?region=me-central-1", weather="s3://lake/weather")
    with sqlite.transaction() as session:
        assert [each.state for each in events.announce_event(session, table, "p", announcement, NOW)] == states
        assert events.announce_event(session, table, "other", announcement, NOW) == []


def test_labelled_rows_that_have_grown_start_a_training(database: Database) -> None:
    table = registered(database, {"on": "growth", "factor": 2.0})
    with database.transaction() as session:
        release_row = session.get_one(ReleaseRow, ("m", 1))
        release_row.data = {**release_row.data, "learned_rows": 100}

    def ask(now: float) -> list[str]:
        with database.transaction() as session:
            return [each.reason for each in labels.ask_for_growth(session, table, now)]

    with database.transaction() as session:
        session.add(block(0, 70))
    assert ask(NOW) == []  # what was there when the release was first looked at is counted in what it learned from
    with database.transaction() as session:
        session.add(block(1, 99))
    assert ask(NOW + 1) == []
    with database.transaction() as session:
        session.add(block(2, 1))
    assert ask(NOW + 2) == ["labelled rows have grown from 100 to 200, 2 times as many"]
    with database.reading() as session:
        (row,) = session.scalars(select(TrainingRequestRow))
    assert (row.kind, row.state, row.data["rows"]) == ("growth", "started", 200)


def test_a_model_of_an_age_is_trained_again_once_it_has_new_labels(sqlite: Database) -> None:
    table = registered(sqlite, {"on": "growth", "max_age_s": 20 * DAY})

    def ask() -> int:
        with sqlite.transaction() as session:
            return len(labels.ask_for_growth(session, table, NOW))

    assert ask() == 0
    with sqlite.transaction() as session:
        session.add(block(1, 5))
    assert ask() == 1
    assert ask() == 1  # the same occasion, the same answer
    with sqlite.reading() as session:
        assert len(list(session.scalars(select(TrainingRequestRow)))) == 1
