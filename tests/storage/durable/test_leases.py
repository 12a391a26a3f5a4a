from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from falaj.storage import Database, OutboxRow, ProcessRow
from falaj.storage.durable import (
    Effect,
    IllegalTransitionError,
    LeaseLostError,
    Outbox,
    ProcessEvent,
    ProcessTable,
    TransitionStep,
)
from falaj.storage.durable.clock import database_now

pytestmark = pytest.mark.integration


def counting(state: str, data: Mapping[str, Any], event: ProcessEvent, now: float) -> TransitionStep:
    if event.name == "tell":
        return TransitionStep("told", effects=(Effect("note", f"note/{data['id']}", {"n": 1}),))
    if event.name == "again":
        return TransitionStep(state, wake_at=now + 10)
    raise IllegalTransitionError(event.name)


@pytest.fixture
def table(database: Database) -> ProcessTable:
    process_table = ProcessTable(database, {"thing": counting})
    with database.transaction() as session:
        process_table.start(session, "thing", "a", "new", {"id": "a"}, now=100.0)
    return process_table


def test_a_claim_is_exclusive_until_it_expires(table: ProcessTable) -> None:
    first = table.claim("thing", "one", lease_s=10, now=100)
    assert first is not None and first.fence == 1
    assert table.claim("thing", "two", lease_s=10, now=109) is None
    second = table.claim("thing", "two", lease_s=10, now=110)
    assert second is not None and second.fence == 2


def test_nothing_is_claimed_before_it_wants_to_wake(table: ProcessTable) -> None:
    assert table.claim("thing", "one", lease_s=10, now=99.9) is None


def test_a_holder_that_slept_through_its_lease_changes_nothing(table: ProcessTable, database: Database) -> None:
    stale = table.claim("thing", "one", lease_s=10, now=100)
    table.claim("thing", "two", lease_s=10, now=120)
    assert stale is not None
    with pytest.raises(LeaseLostError), database.transaction() as session:
        table.advance(session, stale, ProcessEvent("tell"), now=121)
    with pytest.raises(LeaseLostError):
        table.renew(stale, 10, now=121)
    with database.reading() as session:
        assert session.get_one(ProcessRow, "a").state == "new"
        assert session.scalars(select(OutboxRow)).all() == []


def test_an_illegal_event_rolls_everything_back(table: ProcessTable, database: Database) -> None:
    lease = table.claim("thing", "one", lease_s=10, now=100)
    assert lease is not None
    with pytest.raises(IllegalTransitionError), database.transaction() as session:
        table.advance(session, lease, ProcessEvent("nonsense"), now=101)
    with database.reading() as session:
        row = session.get_one(ProcessRow, "a")
        assert (row.state, row.lease_owner) == ("new", "one")


def test_leases_of_owners_that_ended_are_given_back_and_live_ones_stay(table: ProcessTable) -> None:
    table.claim("thing", "host:1", lease_s=1000, now=100)
    assert table.release_gone("host:", lambda owner: owner == "host:2") == 0
    assert table.release_gone("other:", lambda _: True) == 0
    assert table.claim("thing", "host:2", lease_s=10, now=101) is None
    assert table.release_gone("host:", lambda owner: owner == "host:1") == 1
    assert table.claim("thing", "host:2", lease_s=10, now=101) is not None


def test_leases_go_by_the_clock_of_the_database(
    table: ProcessTable, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is 60 s ahead neither steals a lease nor holds one longer."""
    monkeypatch.setattr("time.time", lambda: 4e9)
    lease = table.claim("thing", "one", lease_s=30)
    assert lease is not None
    with database.reading() as session:
        assert abs(lease.expires_at - 30 - database_now(session)) < 25
    assert table.claim("thing", "two", lease_s=30) is None
    assert table.renew(lease, 30) == "new"


def test_of_many_claimers_one_wins(table: ProcessTable) -> None:
    wins: list[str] = []

    def claim(name: str) -> None:
        if table.claim("thing", name, lease_s=60, now=100):
            wins.append(name)

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1


def test_an_effect_is_asked_for_once_however_often(table: ProcessTable, database: Database) -> None:
    for _ in range(2):
        with database.transaction() as session:
            table.send(session, "a", ProcessEvent("tell"), now=100)
    with database.reading() as session:
        assert len(session.scalars(select(OutboxRow)).all()) == 1


def test_the_outbox_retries_a_failed_effect_later(table: ProcessTable, database: Database) -> None:
    calls: list[int] = []

    def flaky(data: Mapping[str, Any]) -> None:
        calls.append(data["n"])
        if len(calls) == 1:
            raise OSError("away")

    with database.transaction() as session:
        table.send(session, "a", ProcessEvent("tell"), now=100)
    outbox = Outbox(database, {"note": flaky})
    assert outbox.run_due(now=100) == 0
    assert outbox.run_due(now=101) == 0, "it waits before it tries again"
    assert outbox.run_due(now=103) == 1
    assert outbox.run_due(now=1000) == 0, "done is done"
    assert calls == [1, 1]


def test_an_effect_of_another_process_is_left_for_it(table: ProcessTable, database: Database) -> None:
    with database.transaction() as session:
        table.send(session, "a", ProcessEvent("tell"), now=100)
    assert Outbox(database, {"other": lambda _: None}).run_due(now=100) == 0
