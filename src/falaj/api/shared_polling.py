"""One thread that looks at the database for everybody who waits, and lives only while somebody does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

Waiter = TypeVar("Waiter")

logger = logging.getLogger(__name__)


class SharedPolling(Generic[Waiter]):
    """Polls for all waiters at once; while nobody waits, nothing is read.

    Args:
        name: Of the thread.
        step_s: Between two looks.
        poll: Looks once, and tells the waiters what concerns them.
        end: Tells a waiter that the server ends.
        stopping: Ends the thread when it is set.
        begin: Called before the thread starts, while no waiter can come or go.
    """

    def __init__(
        self,
        name: str,
        step_s: float,
        poll: Callable[[], object],
        end: Callable[[Waiter], None],
        stopping: threading.Event,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._step_s, self._stopping = name, step_s, stopping
        self._poll, self._end, self._begin = poll, end, begin
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
        while not self._stopping.wait(self._step_s):
            if self._is_idle():
                return
            try:
                self._poll()
            except SQLAlchemyError:
                logger.exception("the database could not be read for %s; trying again", self._name)
        with self._lock:
            self._thread = None
        for waiter in self.waiters:
            self._end(waiter)

    def _is_idle(self) -> bool:
        """Whether nobody waits; then the next waiter starts another thread."""
        with self._lock:
            if not self._waiters:
                self._thread = None
            return self._thread is None
