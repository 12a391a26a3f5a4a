"""One process of a step: started in a group of its own, watched, and ended with everything it started.

Nothing here sleeps and looks again, but for the memory, which the kernel does not announce: the process's end, its
output and a request to stop are waited for together. When the engine is killed the kernel closes its end of the
lifeline pipe and thereby kills the step's group; no code has to run for that.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from falaj.pipeline import procfs

GRACE_S = 2.0
"""How long a step that is asked to stop may take before it is killed."""
MEMORY_CHECK_S = 0.2
_CHUNK = 1 << 16
_SET_SIGNAL = getattr(fcntl, "F_SETSIG", 10)

Reason = Literal["exited", "timed-out", "cancelled", "out-of-memory"]


@dataclass(frozen=True)
class Limits:
    """What a process may use.

    Attributes:
        timeout_s: Seconds until it is stopped; None is no limit.
        memory_bytes: Memory of it and all that it starts; None is no limit.
    """

    timeout_s: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: `exited`, or why it was stopped.
        code: Exit code; negative for the signal that ended it.
        memory_bytes: The most memory that was seen in use; 0 when it was never looked at.
    """

    reason: Reason
    code: int
    memory_bytes: int = 0


def run_process(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    limits: Limits,
    stop: int,
    output: Callable[[bytes], None],
) -> Ending:
    """Run a process to its end.

    Args:
        command: Program and arguments.
        folder: Working directory.
        environ: Its whole environment.
        limits: Time and memory.
        stop: A file descriptor that becomes readable when the process shall stop.
        output: Receives what it writes to its standard output and error, as it comes.

    Returns:
        How it ended. Its whole group is gone by then.

    Raises:
        OSError: It could not be started.
    """
    with _lifeline() as given:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            pass_fds=[given],
        )
        try:
            _tie(given, process.pid)
            return _Watch(process, limits, stop, output).until_end()
        finally:
            if process.returncode is None:
                _kill_group(process.pid)
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


class _Watch:
    """Waits for whatever comes first: output, the end, the request to stop, the deadline, too much memory."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, stop: int, output: Callable[[bytes], None]
    ) -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout.fileno()
        self._limits = limits
        self._stop = stop
        self._output = output
        self._deadline = time.monotonic() + limits.timeout_s if limits.timeout_s is not None else None
        self._memory_at = time.monotonic() + MEMORY_CHECK_S
        self._reason: Reason = "exited"
        self._most = 0
        os.set_blocking(self._pipe, False)

    def until_end(self) -> Ending:
        handle = os.pidfd_open(self._process.pid)
        poll = select.poll()
        for descriptor in (handle, self._pipe, self._stop):
            poll.register(descriptor, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll(self._wait_ms())}
                if self._pipe in ready and not self._drain():
                    poll.unregister(self._pipe)
                if handle in ready:
                    break
                if self._stop in ready:
                    poll.unregister(self._stop)
                    self._ask_to_stop("cancelled")
                self._check()
        finally:
            os.close(handle)
        _kill_group(self._process.pid)  # before `wait`, while its id cannot be another's
        code = self._process.wait()
        self._drain()
        return Ending(self._reason, code, self._most)

    def _wait_ms(self) -> float | None:
        waits = []
        if self._deadline is not None:
            waits.append(max(0.0, self._deadline - time.monotonic()))
        if self._limits.memory_bytes is not None and self._reason == "exited":
            waits.append(max(0.0, self._memory_at - time.monotonic()))
        return min(waits) * 1000 if waits else None

    def _check(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            if self._reason == "exited":
                self._ask_to_stop("timed-out")
            else:
                self._deadline = None
                _kill_group(self._process.pid)
        watched = self._limits.memory_bytes is not None and self._reason == "exited"
        if watched and time.monotonic() >= self._memory_at:  # every process is looked at: not at each line of output
            self._check_memory(self._limits.memory_bytes or 0)
            self._memory_at = time.monotonic() + MEMORY_CHECK_S

    def _check_memory(self, limit: int) -> None:
        members = procfs.family(self._process.pid)
        used = procfs.memory_bytes(members, limit)
        self._most = max(self._most, used)
        if used > limit:
            self._reason, self._deadline = "out-of-memory", None
            _kill_group(self._process.pid)

    def _ask_to_stop(self, reason: Reason) -> None:
        self._reason = reason
        self._deadline = time.monotonic() + GRACE_S
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def _drain(self) -> bool:
        """Pass on what is in the pipe; False when nobody can write to it any more."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._pipe, _CHUNK):
                self._output(chunk)
            return False
        return True


@contextmanager
def _lifeline() -> Iterator[int]:
    """A pipe of which the engine holds one end open; the other is for the step."""
    given, held = os.pipe()
    try:
        yield given
    finally:
        fcntl.fcntl(given, fcntl.F_SETFL, 0)  # the group is gone, and its id may soon be another's
        os.close(given)
        os.close(held)


def _tie(given: int, group: int) -> None:
    """Let the kernel kill a group when the other end of the pipe is closed, as it is when its holder dies."""
    fcntl.fcntl(given, fcntl.F_SETOWN, -group)
    fcntl.fcntl(given, _SET_SIGNAL, signal.SIGKILL)
    fcntl.fcntl(given, fcntl.F_SETFL, fcntl.fcntl(given, fcntl.F_GETFL) | os.O_ASYNC)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
