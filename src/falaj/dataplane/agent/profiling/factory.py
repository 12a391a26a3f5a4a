"""What an agent counts its log with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from falaj.core.home import Home
from falaj.dataplane.agent.control_plane import ControlPlane
from falaj.dataplane.agent.fetching import Fetcher
from falaj.dataplane.agent.profiling.profile_store import FILE, ProfileStore
from falaj.dataplane.agent.profiling.profiling_thread import Profiling
from falaj.dataplane.agent.profiling.references import References
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.desired_state import DesiredState
from falaj.dataplane.label_database import open_labels
from falaj.dataplane.log_keys import reader_keys
from falaj.supply_chain.encryption import open_chest


def open_profiling(home: Home, folder: Path, control: ControlPlane, fetcher: Fetcher, memory: Memory) -> Profiling:
    """Open the profiles of a location.

    Args:
        home: The installation, whose keys read the log.
        folder: Of the location.
        control: The control plane.
        fetcher: How references come here.
        memory: What the location is to serve.
    """
    chest, log = open_chest(home), folder / "predictions"
    references = References(folder / "references", fetcher, time.time, when_changed(memory, folder))
    join = open_labels(home, chest, folder)
    return Profiling(
        ProfileStore(folder / FILE), log, reader_keys(home, chest, log), join, references, control.profiles
    )


def when_changed(memory: Memory, folder: Path) -> Callable[[], DesiredState | None]:
    """The desired state when it is another one than at the last call, else None; to read it takes long."""
    last_written = -1

    def newest() -> DesiredState | None:
        nonlocal last_written
        try:
            written = (folder / "desired.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if written == last_written:
            return None
        last_written = written
        return memory.desired()

    return newest
