"""Waiting for a newer desired state: one thread looks for all agents that wait, and none of them holds a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from falaj.storage import Database, EndpointRow

_STEP_S = 0.25

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Waiter:
    location: str
    version: int
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.loop.call_soon_threadsafe(self.woken.set)


class VersionFeed:
    """Wakes whoever waits for another version of a location's desired state; while nobody waits, nothing is read.

    Args:
        database: Where versions are.
        stopping: Wakes everybody when it is set.
    """

    def __init__(self, database: Database, stopping: threading.Event) -> None:
        self._database, self._stopping = database, stopping
        self._lock = threading.Lock()
        self._waiters: set[_Waiter] = set()
        self._thread: threading.Thread | None = None

    async def wait(self, location: str, version: int, timeout_s: float) -> None:
        """Return when the location's version is another one, the time is over, or the server ends."""
        waiter = _Waiter(location, version, asyncio.get_running_loop())
        with self._lock:
            self._waiters.add(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="versions", daemon=True)
                self._thread.start()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.woken.wait()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def turn(self) -> None:
        """Look once, and wake whoever waits for what is there."""
        found = versions(self._database)
        with self._lock:
            due = [each for each in self._waiters if found.get(each.location, 0) != each.version]
        for waiter in due:
            waiter.wake()

    def _run(self) -> None:
        while not self._stopping.wait(_STEP_S):
            with self._lock:
                if not self._waiters:
                    self._thread = None
                    return
            try:
                self.turn()
            except SQLAlchemyError:
                logger.exception("versions of desired states could not be read; trying again")
        with self._lock:
            self._thread = None
            left = tuple(self._waiters)
        for waiter in left:
            waiter.wake()


def versions(database: Database) -> dict[str, int]:
    """The version of each location's desired state."""
    query = select(EndpointRow.location, func.max(EndpointRow.version)).group_by(EndpointRow.location)
    with database.reading() as session:
        return {row[0]: row[1] for row in session.execute(query)}
