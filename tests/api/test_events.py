"""The stream of events: exact subjects, permission per event, ids that are numbers, one reader of the database."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from falaj.api import event_stream
from falaj.api.event_stream import EventFanOut, stream
from falaj.api.platform import Platform
from falaj.schemas import api
from falaj.storage import Database, EventRow, RunRow
from tests.api.people import acting_as, grant

pytestmark = pytest.mark.integration

COMMIT = "3" * 40


class Everything:
    """May read all, until it is told otherwise."""

    valid = True

    def permitted(self, _session: Session, events: Sequence[api.Event]) -> list[api.Event]:
        return list(events)

    def still_valid(self) -> bool:
        return self.valid


def write(database: Database, *subjects: str) -> None:
    with database.transaction() as session:
        session.add_all(EventRow(at=1.0, subject=each, kind="push.ignored", data={}) for each in subjects)


def ended(platform: Platform, client: TestClient, **query: object) -> list[str]:
    """The subjects of a whole stream, which ends after what there is, as the server is about to stop."""
    platform.stopping.set()
    answer = client.get("/api/v1/events", params=query)
    assert answer.status_code == 200, answer.text
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line)["subject"] for line in lines]


@pytest.fixture
def two_runs(client: TestClient, platform: Platform) -> dict[str, str]:
    """By project, its run; names that begin alike."""
    runs = {}
    for name in ("hon", "honest"):
        client.post("/api/v1/projects", json={"name": name, "repository": f"/{name}"})
        runs[name] = client.post("/api/v1/runs", json={"project": name, "commit": COMMIT}).json()["id"]
    return runs


def test_a_subject_is_matched_exactly(client: TestClient, platform: Platform, two_runs: dict[str, str]) -> None:
    write(platform.database, "project/hon", "project/honest")
    assert ended(platform, client, subject="project/hon") == ["project/hon"]
    assert ended(platform, client, subject="project/ho") == []


def test_each_event_is_judged_by_its_own_project(
    client: TestClient, platform: Platform, two_runs: dict[str, str]
) -> None:
    write(platform.database, "project/hon", "project/honest", "platform", "key/k1")
    grant(platform.database, "lina", "data-scientist", project="hon")
    lina = acting_as(client.app, "lina")
    assert set(ended(platform, lina)) == {"project/hon", f"run/{two_runs['hon']}"}
    assert {"project/honest", "platform", "key/k1"} <= set(ended(platform, client))
    assert lina.get("/api/v1/events", params={"subject": "project/honest"}).status_code == 403
    assert lina.get("/api/v1/events", params={"subject": f"run/{two_runs['honest']}"}).status_code == 403
    assert lina.get("/api/v1/events", params={"subject": "platform"}).status_code == 403


@pytest.mark.parametrize("odd", ["²", "٣", "-1", "1e5", "9" * 30, "", "x"], ids=ascii)
def test_an_odd_last_event_id_is_the_callers_mistake(client: TestClient, platform: Platform, odd: str) -> None:
    platform.stopping.set()
    answer = client.get("/api/v1/events", headers={"last-event-id": odd.encode("utf-8")})
    assert answer.status_code == 400
    assert client.get("/api/v1/events", params={"after": odd}).status_code == 400


def test_a_stream_goes_on_after_the_event_that_it_ended_with(client: TestClient, platform: Platform) -> None:
    write(platform.database, "project/a", "project/b", "project/c")
    platform.stopping.set()
    answer = client.get("/api/v1/events", headers={"last-event-id": "2"})
    assert [line for line in answer.text.splitlines() if line.startswith("id:")] == ["id: 3"]


def test_the_past_is_bounded(platform: Platform, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HISTORY", 3)
    write(platform.database, *(f"project/{name}" for name in "abcdefg"), "project/a")
    assert ended(platform, client) == ["project/f", "project/g", "project/a"]
    assert ended(platform, client, subject="project/a") == ["project/a", "project/a"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_many_streams_read_the_database_once(database: Database) -> None:
    stopping, readers, reads = threading.Event(), 40, Counter[str]()
    fan_out = EventFanOut(database, stopping)

    @event.listens_for(database.engine, "before_cursor_execute")
    def _count(_c: object, _cursor: object, statement: str, *_others: object) -> None:
        if "FROM events" in statement:
            reads["all" if threading.current_thread().name == "events" else "one"] += 1

    async def follow() -> list[str]:
        streams = [stream(fan_out, database, "", 0, Everything()) for _ in range(readers)]
        waiting = [asyncio.ensure_future(anext(each)) for each in streams]
        while len(fan_out._polling.waiters) < readers or not reads["all"]:
            await asyncio.sleep(0.01)
        write(database, "project/a")
        texts = await asyncio.gather(*waiting)
        for each in streams:
            await each.aclose()
        return texts

    assert all('"project/a"' in text for text in asyncio.run(follow()))
    stopping.set()
    assert reads["one"] <= 3 * readers, "each reads where it begins, and what was there, and never again"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_slow_reader_misses_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_MAX_PENDING", 4)
    stopping = threading.Event()
    fan_out = EventFanOut(database, stopping)
    names = [f"project/{number}" for number in range(20)]

    async def read_slowly() -> str:
        texts, stream_text = stream(fan_out, database, "", 0, Everything()), ""
        write(database, names[0])
        stream_text += await anext(texts)
        for name in names[1:]:  # the reader does not read, and the fan-out goes on
            write(database, name)
        while fan_out._position < len(names):
            await asyncio.sleep(0.01)
        while f'"{names[-1]}"' not in stream_text:
            stream_text += await anext(texts)
        await texts.aclose()
        return stream_text

    stream_text = asyncio.run(read_slowly())
    stopping.set()
    assert [line for line in stream_text.splitlines() if line.startswith("id:")] == [f"id: {n + 1}" for n in range(20)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_stream_ends_when_its_token_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_KEEP_ALIVE_S", 0.05)
    reader, stopping = Everything(), threading.Event()
    reader.valid = False

    async def whole() -> list[str]:
        return [text async for text in stream(EventFanOut(database, stopping), database, "", 0, reader)]

    assert asyncio.run(whole()) == []
    stopping.set()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_subjects_events_are_read_by_an_index(database: Database) -> None:
    with database.reading() as session:
        query = "EXPLAIN QUERY PLAN SELECT * FROM events WHERE subject = 'run/x' AND id > 5 ORDER BY id LIMIT 500"
        plan = " ".join(row[-1] for row in session.connection().exec_driver_sql(query))
    assert "USING INDEX events_by_subject" in plan
    assert "TEMP B-TREE" not in plan


def test_a_run_of_no_project_is_nobodys(client: TestClient, platform: Platform, two_runs: dict[str, str]) -> None:
    with platform.database.transaction() as session:
        session.delete(session.get_one(RunRow, two_runs["hon"]))
    grant(platform.database, "lina", "data-scientist", project="hon")
    assert ended(platform, acting_as(client.app, "lina")) == []
