"""Processes that outlive whoever started them: start, recognise again, end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class OsProcess:
    """A process that is recognised even after its number was given to another.

    Args:
        pid: Process id.
        started: Start time in clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    """

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether exactly this process still runs; a dead child is reaped."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, *, grace_s: float) -> None:
        """SIGTERM, then SIGKILL after the grace period; returns when it is gone."""
        self.send(signal.SIGTERM)
        if not self.wait(grace_s):
            self.send(signal.SIGKILL)
            self.wait(5.0)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; tell whether it came."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def start_time(pid: int) -> int | None:
    """Start time of a running process in clock ticks since boot; None for a dead one or a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


FIRST_INHERITED = 3
"""Descriptor on which a started process reads what it is given."""


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], stdin_data: bytes | None = None
) -> OsProcess:
    """Start a process in a session of its own, with its output appended to a file.

    Args:
        command: Program (absolute path) and arguments.
        log: Receives standard output and error.
        environment: All of its environment variables.
        stdin_data: What it can read from descriptor 3 and nobody else can see; less than a pipe holds (4 KiB).

    Raises:
        OSError: The program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pipe = None if stdin_data is None else _filled(stdin_data)
    if pipe is not None:
        actions.append((os.POSIX_SPAWN_DUP2, pipe, FIRST_INHERITED))
    ignored = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM]
    try:
        pid = os.posix_spawn(
            command[0], list(command), dict(environment), file_actions=actions, setsid=True, setsigmask=[],
            setsigdef=ignored,
        )  # fmt: skip
    finally:
        if pipe is not None:
            os.close(pipe)
    return OsProcess(pid, start_time(pid) or 0)


def _filled(data: bytes) -> int:
    """The end to read from of a pipe that holds some bytes and no more."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    return reading


def tagged(name: str, value: str) -> Iterator[OsProcess]:
    """Find running processes by a variable of the environment that they were started with.

    Args:
        name: Variable name.
        value: Its exact value.
    """
    marker = f"{name}={value}".encode()
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            if marker in (folder / "environ").read_bytes().split(b"\0"):
                started = start_time(int(folder.name))
                if started is not None:
                    yield OsProcess(int(folder.name), started)
