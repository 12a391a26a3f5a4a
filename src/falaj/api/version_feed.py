"""Waiting for something newer: one thread looks for all who wait, and none of them holds a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import func, select

from falaj.api.shared_polling import SharedPolling
from falaj.storage import Database, EndpointRow
from falaj.storage.sealed import UNVERIFIED


@dataclass(eq=False)
class _Waiter:
    subject: str
    version: object
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.loop.call_soon_threadsafe(self.woken.set)


class VersionFeed:
    """Wakes whoever waits for another version of a subject; while nobody waits, nothing is read.

    Args:
        name: Of the thread that looks.
        database: Where versions are.
        versions: Reads the version of each subject; one that is not among them has version 0.
        stopping: Wakes everybody when it is set.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        versions: Callable[[Database], Mapping[str, object]],
        stopping: threading.Event,
    ) -> None:
        self._database, self._versions = database, versions
        self._polling = SharedPolling(name, database, self.turn, _Waiter.wake, stopping)

    async def wait(self, subject: str, version: object, timeout_s: float) -> None:
        """Return when the subject's version is another one, the time is over, or the server ends."""
        waiter = _Waiter(subject, version, asyncio.get_running_loop())
        with self._polling.waiting(waiter), suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await waiter.woken.wait()

    def turn(self) -> None:
        """Look once, and wake whoever waits for what is there."""
        current_versions = self._versions(self._database)
        for waiter in self._polling.waiters:
            if current_versions.get(waiter.subject, 0) != waiter.version:
                waiter.wake()


def versions(database: Database) -> dict[str, int]:
    """The version of each location's desired state."""
    query = select(EndpointRow.location, func.max(EndpointRow.version)).group_by(EndpointRow.location)
    with database.reading() as session:
        return {row[0]: row[1] for row in session.execute(query, execution_options=UNVERIFIED)}
