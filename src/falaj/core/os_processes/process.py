"""One process of a step: started in the sandbox, watched, and ended with everything it started.

Nothing here sleeps and looks again, but for the memory, which the kernel does not announce: the process's end, its
output and a request to stop are waited for together. When the engine is killed the kernel tells the launcher, which
ends with everything it started.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from falaj.core.os_processes import procfs
from falaj.core.os_processes.disk import DiskWatch
from falaj.core.sandbox import Launch, Sandbox, offered, start

GRACE_S = 2.0
"""How long a step that is asked to stop may take before it is killed."""
MEMORY_CHECK_S = 0.2
_CHUNK = 1 << 16

Reason = Literal["exited", "timed-out", "cancelled", "out-of-memory", "out-of-disk", "too-many-processes"]


@dataclass(frozen=True)
class Limits:
    """What a process may use.

    Attributes:
        timeout_s: Seconds until it is stopped; None is no limit.
        memory_bytes: Memory of it and all that it starts; None is no limit.
        disk_bytes: Disk space of its scratch folder; None is no limit.
    """

    timeout_s: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        reason: `exited`, or why it was stopped.
        code: Exit code; negative for the signal that ended it.
        memory_bytes: The most memory that was seen in use; 0 when it was never looked at.
        disk_bytes: What its scratch folder took when it was measured last.
    """

    reason: Reason
    code: int
    memory_bytes: int = 0
    disk_bytes: int = 0


@contextmanager
def never_stopped() -> Iterator[int]:
    """A `stop` for `run_process` by which nobody asks."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def run_process(
    launch: Launch, *, limits: Limits, stop: int, output: Callable[[bytes], None], sandbox: Sandbox | None = None
) -> Ending:
    """Run a process in the sandbox to its end.

    Args:
        launch: What to start and what it may touch.
        limits: Time and memory.
        stop: A file descriptor that becomes readable when the process shall stop.
        output: Receives what it writes to its standard output and error, as it comes.
        sandbox: The parts of the sandbox; by default all that the kernel offers.

    Returns:
        How it ended. Everything that it started is gone by then.

    Raises:
        OSError: It could not be started.
    """
    launched = start(launch, sandbox or offered())
    process = launched.process
    try:
        ending = _Watch(process, limits, launch, stop, output).until_end()
        launched.refuse_unstarted()
        return ending
    finally:
        if process.returncode is None:
            launched.end()
        assert process.stdout is not None
        process.stdout.close()
        os.close(launched.receipt)


class _Watch:
    """Waits for whatever comes first: output, the end, the request to stop, the deadline, too much memory."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: Limits,
        launch: Launch,
        stop: int,
        output: Callable[[bytes], None],
    ) -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout.fileno()
        self._limits = limits
        self._processes = launch.ceilings.processes
        self._disk = DiskWatch(launch.scratch)
        self._watched = limits.memory_bytes is not None or limits.disk_bytes is not None
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
        code = self._process.wait()
        self._drain()
        return Ending(self._reason, code, self._most, self._disk.used_bytes())

    def _wait_ms(self) -> float | None:
        waits = []
        if self._deadline is not None:
            waits.append(max(0.0, self._deadline - time.monotonic()))
        if self._watched and self._reason == "exited":
            waits.append(max(0.0, self._memory_at - time.monotonic()))
        return min(waits) * 1000 if waits else None

    def _check(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            if self._reason == "exited":
                self._ask_to_stop("timed-out")
            else:
                self._deadline = None
                self._end()
        if (
            self._watched and self._reason == "exited" and time.monotonic() >= self._memory_at
            # every process is looked at: not at each line of output
        ):
            self._check_memory(self._limits.memory_bytes)
            self._check_disk(self._limits.disk_bytes)
            self._memory_at = time.monotonic() + MEMORY_CHECK_S

    def _check_disk(self, limit: int | None) -> None:
        if limit is not None and self._disk.used_bytes() > limit:
            self._end("out-of-disk")

    def _check_memory(self, limit: int | None) -> None:
        if limit is None:
            return
        members = [each for each in procfs.family(self._process.pid) if each.pid != self._process.pid]
        used = procfs.memory_bytes(members, limit)
        self._most = max(self._most, used)
        if used > limit:
            self._end("out-of-memory")
        elif len(members) > self._processes:
            self._end("too-many-processes")

    def _ask_to_stop(self, reason: Reason) -> None:
        self._reason = reason
        self._deadline = time.monotonic() + GRACE_S
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def _end(self, reason: Reason | None = None) -> None:
        if reason is not None:
            self._reason, self._deadline = reason, None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGHUP)

    def _drain(self) -> bool:
        """Pass on what is in the pipe; False when nobody can write to it any more."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._pipe, _CHUNK):
                self._output(chunk)
            return False
        return True
