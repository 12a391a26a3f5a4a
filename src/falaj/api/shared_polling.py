"""One thread that looks at the database for everybody who waits, and lives only while somebody does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from falaj.storage import Database
from falaj.storage.durable import STEP_S, CommitSignal

Waiter = TypeVar("Waiter")

logger = logging.getLogger(__name__)


class SharedPolling(Generic[Waiter]):
    """Polls for all waiters at once; while nobody waits, nothing is read.

    Args:
        name: Of the thread.
        database: Is looked at after a commit.
        poll: Looks once, and tells the waiters what concerns them.
        end: Tells a waiter that the server ends.
        stopping: Ends the thread when it is set.
        begin: Called before the thread starts, while no waiter can come or go.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        poll: Callable[[], object],
        end: Callable[[Waiter], None],
        stopping: threading.Event,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._database, self._stopping = name, database, stopping
        self._poll, self._end, self._begin = poll, end, begin
        self._joined = False
        self._lock = threading.Lock()
        self._waiters: set[Waiter] = set()
        self._thread: threading.Thread | None = None

    @property
    def waiters(self) -> tuple[Waiter, ...]:
        """Whoever waits now."""
        with self._lock:
            return tuple(self._waiters)

    @contextmanager
    def waiting(self, waiter: Waiter) -> Iterator[None]:
        """Look for a waiter as well, while the block lasts."""
        with self._lock:
            self._waiters.add(waiter)
            self._joined = True
            if self._thread is None:
                self._begin()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _run(self) -> None:
        with closing(CommitSignal(self._database)) as commits:
            while not self._stopping.wait(STEP_S):
                if self._is_idle():
                    return
                if self._has_newcomer() or commits.due():
                    self._look()
        with self._lock:
            self._thread = None
        for waiter in self.waiters:
            self._end(waiter)

    def _look(self) -> None:
        try:
            self._poll()
        except SQLAlchemyError:
            logger.exception("the database could not be read for %s; trying again", self._name)

    def _has_newcomer(self) -> bool:
        """Whether somebody began to wait since the last look, maybe for what was there before."""
        with self._lock:
            joined, self._joined = self._joined, False
        return joined

    def _is_idle(self) -> bool:
        """Whether nobody waits; then the next waiter starts another thread."""
        with self._lock:
            if not self._waiters:
                self._thread = None
            return self._thread is None
