"""Finds and ends the processes that an engine left behind when it was killed.

Every process of a step inherits three variables: `FALAJ_STEP` (run and step), `FALAJ_HOME` and `FALAJ_ENGINE`
(process id and start of the engine). They stay with processes that left their group or session.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from falaj.pipeline import procfs

STEP, HOME, ENGINE = "FALAJ_STEP", "FALAJ_HOME", "FALAJ_ENGINE"
_PATIENCE_S = 5.0


CHECKS = "checks"
"""What checks are marked with instead of the name of a step; they may outlast the pipeline."""


def marks(home: Path, run_id: str, node: str) -> dict[str, str]:
    """The variables that a step's processes carry."""
    return {HOME: str(home), STEP: f"{run_id}/{node}", ENGINE: _own_identity(os.getpid())}


def sweep(home: Path, run_id: str | None = None, *, but: str = "") -> list[int]:
    """End leftovers of steps.

    Args:
        home: Only processes of this home.
        run_id: Every step process of this run, whoever started it; None for those whose engine is dead.
        but: Name of a node whose processes are spared.

    Returns:
        Ids of the processes that were ended.
    """
    ended: list[int] = []
    while found := [pid for pid in _leftovers(home, run_id, but) if pid not in ended]:
        ended += found
        for pid in found:  # a fork that happened meanwhile is found in the next round
            end(pid)
    return ended


def end(pid: int) -> None:
    """Kill a process and wait until the kernel has."""
    with suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], _PATIENCE_S)
        finally:
            os.close(handle)


def _leftovers(home: Path, run_id: str | None, but: str) -> list[int]:
    """Marked processes; the environment of those of the kernel, of other users and of the dead reads as empty."""
    own = os.getpid()
    found = ((pid, procfs.environment(pid, STEP)) for pid in procfs.ids() if pid != own)
    return [pid for pid, environ in found if _belongs(environ, home, run_id, but)]


def _belongs(environ: Mapping[str, str], home: Path, run_id: str | None, but: str) -> bool:
    if STEP not in environ or environ.get(HOME) != str(home):
        return False
    if run_id is not None:
        run, _, node = environ[STEP].partition("/")
        return run == run_id and (not but or node != but)
    engine = environ.get(ENGINE, "")
    return _identity(int(engine.partition(":")[0] or 0)) != engine


@cache
def _own_identity(pid: int) -> str:
    return _identity(pid)


def _identity(pid: int) -> str:
    """Names a living process once and for all: ids are reused, start times with them are not."""
    found = procfs.process(pid)
    return f"{pid}:{found.started}" if found is not None and not found.zombie else ""
