"""What an agent does beside everything else, with something that is opened for it and opened again when it breaks."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from falaj.core.errors import FalajError

Background = Callable[[threading.Event], None]
"""Runs in a thread of its own until the event is set."""
T = TypeVar("T")
_log = logging.getLogger(__name__)


def keep_running(
    opened: Callable[[], AbstractContextManager[T]],
    follow: Callable[[T, threading.Event, float], None],
    *,
    name: str,
    look_s: float,
) -> Background:
    """Open something and follow it until told to stop; what breaks on the way is opened again after a pause.

    A disk that is full costs nothing but time: what was to be read is still there when there is room again.

    Args:
        opened: Opens it, in the thread that uses it; closed when it was followed.
        follow: Uses it until the event is set, and looks every so many seconds.
        name: What the log calls it.
        look_s: How often `follow` looks, in seconds; the pause is ten times as long.
    """

    def run(stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                with opened() as thing:
                    follow(thing, stopping, look_s)
            except (FalajError, OSError, sqlite3.Error) as error:
                _log.warning("%s.waiting reason=%s", name, error)
                stopping.wait(10 * look_s)

    return run
