"""The labels of a location: its join, and the thread of the agent that keeps it up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from falaj.core.home import Home
from falaj.dataplane.background import Background, keep_running
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.log_keys import reader_keys
from falaj.supply_chain.encryption import Keystore

FILE = "labels.db"
_LOOK_S = 0.5
_FORGET_S = 60.0


def open_labels(home: Home, chest: Keystore, location: Path) -> LabelJoin:
    """Open the join of a location; its file lies beside the log, where model servers cannot write.

    Args:
        home: The installation, whose keys read the log.
        chest: Its data keys.
        location: Folder of the location.
    """
    log = location / "predictions"
    return LabelJoin(location / FILE, log, reader_keys(home, chest, log))


def keep_joined(opened: Callable[[], LabelJoin], *, look_s: float = _LOOK_S) -> Background:
    """What an agent does beside everything else: take in what was logged, and forget what is too old.

    Args:
        opened: Opens the join, in the thread that uses it.
        look_s: How often to look, in seconds.
    """
    return keep_running(opened, _follow, name="labels", look_s=look_s)


def _follow(join: LabelJoin, stopping: threading.Event, look_s: float) -> None:
    forgot = time.monotonic()
    while not stopping.is_set():
        join.advance()
        if time.monotonic() - forgot >= _FORGET_S:
            forgot = time.monotonic()
            join.forget()
        stopping.wait(look_s)
