"""A loop looks after every commit of anybody, and reads nothing while there is none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from falaj.storage import Database, EventRow
from falaj.storage.durable import CommitSignal
from falaj.storage.durable.commit_signal import PAUSE_S, POLL_S, TIMERS_S

pytestmark = pytest.mark.integration


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'falaj.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def commits(database: Database, clock: Clock) -> Iterator[CommitSignal]:
    with closing(CommitSignal(database, clock)) as signal:
        assert signal.due(), "the first look is owed to what was there before"
        clock.now += PAUSE_S
        yield signal


def commit(database: Database) -> None:
    with database.transaction() as session:
        session.add(EventRow(at=0.0, subject="run/1", kind="run.queued", data={}))


def test_nothing_is_read_while_nobody_commits(commits: CommitSignal) -> None:
    assert [commits.due() for _ in range(3)] == [False] * 3


def test_each_commit_asks_for_one_look(commits: CommitSignal, database: Database, clock: Clock) -> None:
    for _ in range(3):
        commit(database)
        assert commits.due()
        clock.now += PAUSE_S
        assert not commits.due()


def test_a_commit_of_another_process_asks_for_a_look(commits: CommitSignal, database: Database) -> None:
    with closing(sqlite3.connect(database.engine.url.database or "")) as other:
        other.execute("CREATE TABLE notes(text)")
        other.commit()
    assert commits.due()


def test_a_read_only_session_asks_for_none(commits: CommitSignal, database: Database) -> None:
    with database.reading() as session:
        session.execute(text("SELECT 1"))
    assert not commits.due()


def test_many_commits_ask_no_more_often_than_the_pause(commits: CommitSignal, database: Database, clock: Clock) -> None:
    commit(database)
    assert commits.due()
    commit(database)
    assert not commits.due(), "it is not forgotten"
    clock.now += PAUSE_S
    assert commits.due()


def test_what_waits_for_a_time_is_looked_at_without_a_commit(commits: CommitSignal, clock: Clock) -> None:
    clock.now += TIMERS_S
    assert commits.due()
    assert not commits.due()


def test_another_database_is_read_now_and_then(clock: Clock) -> None:
    with closing(CommitSignal(Database("postgresql+psycopg://nobody@127.0.0.1:1/none"), clock)) as signal:
        assert signal.due() and not signal.due()
        clock.now += POLL_S
        assert signal.due(), "it cannot tell cheaply, so it is asked"
