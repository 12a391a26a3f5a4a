"""Events as they happen, for many readers: one thread reads the database for all of them, while anybody follows.

Each reader has a cursor of its own. What happened before it came is read from the database in batches and bounded;
what happens afterwards comes from the fan-out. A reader that is too slow for its queue goes back to the database.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Protocol

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from falaj.api import views
from falaj.api.shared_polling import SharedPolling
from falaj.schemas import api
from falaj.storage import Database, EventRow

HISTORY = 10_000
"""How many events before the newest a reader can go back, of its subject where it names one."""

MAX_EVENT_ID = 2**62
_BATCH = 500
_MAX_PENDING = 1_000
_KEEP_ALIVE_S = 10.0


class EventFilter(Protocol):
    """Decides which events a reader may see."""

    def permitted(self, session: Session, events: Sequence[api.Event]) -> list[api.Event]:
        """Those of the events that the reader may see."""

    def still_valid(self) -> bool:
        """Whether the reader may go on; asked now and then, as tokens end."""


class Follower:
    """The queue of one reader, filled from the thread of the fan-out and emptied in the reader's event loop.

    Args:
        subject: The only subject to follow; empty for all.
    """

    def __init__(self, subject: str) -> None:
        self._subject, self._loop = subject, asyncio.get_running_loop()
        self._pending: deque[api.Event] = deque()
        self._woken = asyncio.Event()
        self.missed, self.ended = True, False

    def offer(self, events: Sequence[api.Event], *, ended: bool = False) -> None:
        """Hand over new events, from any thread."""
        chosen = [event for event in events if self._subject in ("", event.subject)]
        if chosen or ended:
            self._loop.call_soon_threadsafe(self._take, chosen, ended)

    async def wait(self, timeout_s: float) -> list[api.Event]:
        """New events; none when the time is over, or when some were missed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return []
        self._woken.clear()
        events = list(self._pending)
        self._pending.clear()
        return events

    def _take(self, events: Sequence[api.Event], ended: bool) -> None:
        if len(self._pending) + len(events) > _MAX_PENDING:
            self._pending.clear()
            self.missed = True
        else:
            self._pending.extend(events)
        self.ended = self.ended or ended
        self._woken.set()


class EventFanOut:
    """Reads new events once for all followers; while nobody follows, nothing is read.

    Args:
        database: Where events are written.
        stopping: Ends all streams when it is set.
    """

    def __init__(self, database: Database, stopping: threading.Event) -> None:
        self._database, self._position = database, 0
        self._polling = SharedPolling("events", database, self._catch_up, _end, stopping, self._begin)

    def following(self, follower: Follower) -> AbstractContextManager[None]:
        """Offer new events to a follower while the block lasts."""
        return self._polling.waiting(follower)

    def turn(self) -> int:
        """Read what is new, once, and offer it; return how many events."""
        events = read(self._database, EventRow.id > self._position)
        if events:
            self._position = events[-1].id
        for follower in self._polling.waiters:
            follower.offer(events)
        return len(events)

    def _begin(self) -> None:
        self._position = newest(self._database)

    def _catch_up(self) -> None:
        while self.turn() == _BATCH:
            pass


def _end(follower: Follower) -> None:
    follower.offer((), ended=True)


async def stream(
    fan_out: EventFanOut, database: Database, subject: str, after: int, reader: EventFilter
) -> AsyncIterator[str]:
    """Server-sent events of one reader, until it may read no longer or the server ends.

    Args:
        fan_out: Offers what is new.
        database: Has what happened before.
        subject: The only subject to follow; empty for all.
        after: Id of the event to begin after, at most `HISTORY` events back.
        reader: Says what the reader may see.
    """
    follower = Follower(subject)
    with fan_out.following(follower):
        after, asked_at = max(after, await run_in_threadpool(_earliest, database, subject)), _time()
        while not follower.ended or follower.missed:
            if follower.missed:
                follower.missed = False
                async for reached, text in _past(database, subject, after, reader):
                    after = reached
                    yield text
            events = [event for event in await follower.wait(_KEEP_ALIVE_S) if event.id > after]
            if _time() - asked_at >= _KEEP_ALIVE_S:
                asked_at = _time()
                if not await run_in_threadpool(reader.still_valid):
                    return
                yield ": still here\n\n"
            if events:
                after = events[-1].id
                yield "".join(map(_text, await run_in_threadpool(_permitted, database, reader, events)))


async def _past(database: Database, subject: str, after: int, reader: EventFilter) -> AsyncIterator[tuple[int, str]]:
    """What is in the database after an event, batch by batch, with the cursor that each batch leaves."""
    while events := await run_in_threadpool(read, database, *_chosen(subject), EventRow.id > after):
        after = events[-1].id
        permitted = await run_in_threadpool(_permitted, database, reader, events)
        yield after, "".join(map(_text, permitted))


def read(database: Database, *conditions: ColumnElement[bool]) -> list[api.Event]:
    """The first events, by id, that meet conditions; at most one batch."""
    query = select(EventRow).where(*conditions).order_by(EventRow.id).limit(_BATCH)
    with database.reading() as session:
        return [views.event(row) for row in session.scalars(query)]


def newest(database: Database) -> int:
    """Id of the newest event; 0 when there is none."""
    with database.reading() as session:
        return session.scalar(select(func.max(EventRow.id))) or 0


def _earliest(database: Database, subject: str) -> int:
    """Id of the event before the oldest one that a reader can go back to."""
    query = select(EventRow.id).where(*_chosen(subject)).order_by(EventRow.id.desc()).offset(HISTORY).limit(1)
    with database.reading() as session:
        return session.scalar(query) or 0


def _chosen(subject: str) -> tuple[ColumnElement[bool], ...]:
    return (EventRow.subject == subject,) if subject else ()


def _text(event: api.Event) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(asdict(event))}\n\n"


def _time() -> float:
    return asyncio.get_running_loop().time()


def _permitted(database: Database, reader: EventFilter, events: Sequence[api.Event]) -> list[api.Event]:
    with database.reading() as session:
        return reader.permitted(session, events)
