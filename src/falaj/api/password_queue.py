"""Work with passwords has threads of its own, and a short queue that refuses at once: the API never waits for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from falaj.core.errors import UnavailableError

AT_ONCE = 1 if (os.cpu_count() or 1) <= 2 else 2
"""Each hash takes 64 MiB and more than one core while it lasts; the API keeps one."""
MAX_WAITING = 16

_Result = TypeVar("_Result")


class BusyError(UnavailableError):
    """Too many are logging in; whoever tries again in a second has a turn."""

    code = "identity.busy"
    retry_after_s = 1.0


class PasswordQueue:
    """A bounded queue in front of a few threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(AT_ONCE + MAX_WAITING)

    async def run(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Do it in one of the threads.

        Raises:
            BusyError: As many wait as may (`identity.busy`).
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("too many are logging in", hint="try again in a second")
        future = self._threads.submit(work, *arguments)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)
