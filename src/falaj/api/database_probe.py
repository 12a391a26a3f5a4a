"""Whether the database answers, asked in a thread of its own; what it answered a moment ago counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import select

from falaj.core.errors import UnavailableError
from falaj.storage import Database

FRESH_S = 1.0
"""An answer of the database that is younger is not asked for again."""
CREDIBLE_S = 10.0
"""An answer that is older says nothing of now."""


class SilentDatabaseError(UnavailableError):
    """The database does not answer."""

    code = "server.database"


class DatabaseProbe:
    """Asks the database whether it answers, one question at a time.

    Args:
        ask: Returns when it does, and raises when it does not.
        clock: Seconds that only grow.
    """

    def __init__(self, ask: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._pending: Future[None] | None = None
        self._answered_at = float("-inf")

    async def require_answer(self) -> None:
        """Return when the database answered a moment ago.

        Raises:
            SilentDatabaseError: It did not, nor does it now (`server.database`).
        """
        age_s = self._clock() - self._answered_at
        if age_s > FRESH_S and (self._pending is None or self._pending.done()):
            self._pending = self._thread.submit(self._query)
        if age_s <= CREDIBLE_S or self._pending is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._pending)), CREDIBLE_S)
        except Exception as error:
            raise SilentDatabaseError("the database does not answer", hint="falaj doctor looks at it") from error

    @classmethod
    def of(cls, database: Database) -> DatabaseProbe:
        """One for a database."""

        def ask() -> None:
            with database.reading() as session:
                session.scalar(select(1))

        return cls(ask)

    def _query(self) -> None:
        self._ask()
        self._answered_at = self._clock()
