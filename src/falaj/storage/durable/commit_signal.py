"""Whether anything was committed: what a loop asks before it looks at tables."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from falaj.storage.database import Database

TIMERS_S = 1.0
"""What waits for a moment and for no commit is looked at so often."""
POLL_S = 0.25
"""So often tables are read where the database cannot tell cheaply that nothing changed."""
STEP_S = 0.05
"""Between two questions whether anything was committed."""
PAUSE_S = 0.2
"""Between two looks, however much is committed."""


class CommitSignal:
    """Says when a loop should look at its tables: after anybody's commit, and now and then for what waits for a time.

    SQLite counts the commits of all other connections (`PRAGMA data_version`), so an own connection that never writes
    sees every one of them, at the price of a look at the shared memory of the log. Other databases are read every
    `POLL_S`. Of one thread.

    Args:
        database: What is looked at.
        clock: Seconds that never go back.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connection = _own_connection(database)
        self._version, self._looked_at = -1, float("-inf")

    def due(self) -> bool:
        """Whether to look now; True starts the time until the next look that no commit asks for."""
        now = self._clock()
        if (waited_s := now - self._looked_at) < PAUSE_S:
            return False
        version = self._current_version()
        if version == self._version and waited_s < (POLL_S if self._connection is None else TIMERS_S):
            return False
        self._version, self._looked_at = version, now
        return True

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()

    def _current_version(self) -> int:
        if self._connection is None:
            return 0
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _own_connection(database: Database) -> sqlite3.Connection | None:
    if database.engine.dialect.name != "sqlite":
        return None
    return sqlite3.connect(database.engine.url.database or ":memory:", isolation_level=None)


def looks(database: Database, stopping: threading.Event) -> Iterator[None]:
    """Yield whenever a loop should look at its tables, until `stopping` is set.

    Args:
        database: What is looked at.
        stopping: Ends the loop, at the latest after what is being done.
    """
    with closing(CommitSignal(database)) as commits:
        while not stopping.wait(STEP_S):
            if commits.due():
                yield
