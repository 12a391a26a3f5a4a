"""`falaj up`: one process that starts server, notary, worker and agent, and starts them again when they fall.

The supervisor holds no state that matters. Killed at any moment it takes the four with it and leaves Envoy and the
model servers serving; the next `falaj up` starts the rest again. It keeps both ends of the socket over which the worker
asks the notary, so that either can fall and the other need not know.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from falaj.cli.ports import require_ports
from falaj.control.notary.channel import VARIABLE
from falaj.core.errors import ConflictError, FalajError, UnavailableError
from falaj.core.home import Home
from falaj.sdk import Client

PYTHON = (sys.executable, "-I", "-P")
"""Neither the folder nor the variables of whoever starts the platform lead it to code."""
PARTS = ("server", "notary", "worker", "agent")
_ROOT_SECRETS = ("FALAJ_ROOT_PASSPHRASE",)
"""Variables that the worker is started without."""
_PR_SET_PDEATHSIG = 1
_TICK_S = 0.1
_STABLE_AFTER_S = 20.0
_MAX_BACKOFF_S = 15.0
_STOP_WAIT_S = 20.0
_READY_WAIT_S = 300.0
"""A server that breaks is noticed by its restarts; this is for one that hangs, and long enough for a busy machine."""
_SUPERVISOR_STOP_WAIT_S = 3 * _STOP_WAIT_S
"""It stops its parts in two rounds; a supervisor that is killed before that would leave them behind."""


def restart_delay_s(quick_falls: int) -> float:
    """How long to wait before starting a part again.

    Args:
        quick_falls: How many times in a row it fell within its first 20 seconds.
    """
    return min(_MAX_BACKOFF_S, 0.25 * 2.0**quick_falls)


@dataclass
class _Part:
    """One supervised process."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    quick_falls: int = 0
    restarts: int = 0
    start_after: float = field(default=0.0)
    channel: socket.socket | None = None


class Supervisor:
    """Keeps the parts of one home running until it is told to stop.

    Args:
        home: The installation.
        ports: Ports of the server and of Envoy.
    """

    def __init__(self, home: Home, ports: dict[str, int]) -> None:
        self._home = home
        self._parts = _parts_of(PARTS)
        self._stopping = False
        self._ports = ports

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT, then stop the parts, the server last.

        Raises:
            ConflictError: Another supervisor holds this home (`platform.running`).
            UnavailableError: One of the ports is taken.
        """
        with _only_one(self._home):
            require_ports(self._home, self._ports)
            self._home.save_ports(self._ports)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: setattr(self, "_stopping", True))
            while not self._stopping:
                for part in self._parts:
                    _keep_running(part, self._start)
                time.sleep(_TICK_S)
            last = [part for part in self._parts if part.name in ("server", "notary")]
            _stop(*(part.process for part in self._parts if part not in last))  # these still hear the others end
            _stop(*(part.process for part in last))
            _state_file(self._home).unlink(missing_ok=True)

    def _start(self, part: _Part) -> None:
        with (self._home.logs / f"{part.name}.log").open("ab") as log:
            _start(part, self._home, log)
        self._write_state()

    def _write_state(self) -> None:
        parts = {
            part.name: {"pid": part.process.pid if part.process else None, "restarts": part.restarts}
            for part in self._parts
        }
        temporary = _state_file(self._home).with_suffix(".new")
        temporary.write_text(json.dumps({"pid": os.getpid(), "parts": parts}))
        temporary.replace(_state_file(self._home))


def run_worker_with_notary(home: Home) -> None:
    """Keep a worker and its notary running until SIGTERM or SIGINT; both write where this process writes."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    notary, worker = _parts_of(("notary", "worker"))
    while not stopping.wait(_TICK_S):
        for part in (notary, worker):
            _keep_running(part, lambda part: _start(part, home, None))
    _stop(worker.process)
    _stop(notary.process)


def _parts_of(names: Sequence[str]) -> list[_Part]:
    """The parts by name; notary and worker share a socket."""
    base, (asking, answering) = [*PYTHON, "-m"], socket.socketpair(type=socket.SOCK_SEQPACKET)
    commands = {"notary": [*base, "falaj.control.notary"]}
    channels = {"notary": answering, "worker": asking}
    return [
        _Part(name, commands.get(name, [*base, "falaj.cli.main", "platform", name]), channel=channels.get(name))
        for name in names
    ]


def _keep_running(part: _Part, start: Callable[[_Part], None]) -> None:
    now = time.monotonic()
    if part.process is None:
        if now >= part.start_after:
            start(part)
    elif part.process.poll() is not None:
        lived_s = now - part.started_at
        part.quick_falls = part.quick_falls + 1 if lived_s < _STABLE_AFTER_S else 0
        part.restarts += 1
        part.process, part.start_after = None, now + restart_delay_s(part.quick_falls)


def _start(part: _Part, home: Home, log: IO[bytes] | None) -> None:
    environment = {**os.environ, "FALAJ_HOME": str(home.root)}
    if part.name == "worker":
        environment = {name: value for name, value in environment.items() if name not in _ROOT_SECRETS}
    descriptors = [part.channel.fileno()] if part.channel else []
    if part.channel:
        environment[VARIABLE] = str(part.channel.fileno())
    part.process = subprocess.Popen(
        part.command,
        cwd=_empty_folder(home),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        pass_fds=descriptors,
        preexec_fn=_die_with_parent(),  # safe: the supervisor has no threads
        start_new_session=True,
    )
    part.started_at = time.monotonic()


def start_in_background(home: Home, ports: dict[str, int]) -> None:
    """Start a supervisor and wait until its server answers.

    Raises:
        ConflictError: The platform of this home is running already.
        UnavailableError: A port is taken, or the server did not come up; then the message holds the end of its log,
            and nothing is left running.
    """
    if running(home):
        raise ConflictError(
            "the platform is running already", where=str(home.root), hint="falaj down stops it", code="platform.running"
        )
    require_ports(home, ports)
    home.prepare().save_ports(ports)
    with (home.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [*PYTHON, "-m", "falaj.cli.main", "up", "--foreground"],
            cwd=_empty_folder(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "FALAJ_HOME": str(home.root)},
            start_new_session=True,
        )
    _wait_ready(home, process)


def stop_in_background(home: Home) -> bool:
    """Stop the supervisor of this home and its parts; False when none was running."""
    state = state_of(home)
    if state is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _SUPERVISOR_STOP_WAIT_S
    while running(home) and time.monotonic() < deadline:
        time.sleep(_TICK_S)
    return True


def state_of(home: Home) -> dict[str, Any] | None:
    """What the supervisor of this home runs: its pid, and each part's pid and restarts; None when it is down."""
    if not running(home):
        return None
    try:
        state: dict[str, Any] = json.loads(_state_file(home).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return state


def running(home: Home) -> bool:
    """Whether a supervisor holds this home."""
    try:
        with _only_one(home):
            return False
    except ConflictError:
        return True


@contextlib.contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the home's lock; the kernel gives it back however this process ends."""
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                "another supervisor holds this home", where=str(home.root), code="platform.running"
            ) from error
        yield


def _wait_ready(home: Home, process: subprocess.Popen[bytes]) -> None:
    client, deadline = Client.of_installation(home), time.monotonic() + _READY_WAIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        _fail_when_server_gives_up(home, process)
        try:
            client.health()
            return
        except FalajError:
            time.sleep(_TICK_S)
    _stop(process, wait_s=_SUPERVISOR_STOP_WAIT_S)
    raise _not_ready(home)


def _fail_when_server_gives_up(home: Home, process: subprocess.Popen[bytes]) -> None:
    state = state_of(home) or {}
    restarts = state.get("parts", {}).get("server", {}).get("restarts", 0)
    if restarts >= 2:
        _stop(process, wait_s=_SUPERVISOR_STOP_WAIT_S)
        raise _not_ready(home)


def _not_ready(home: Home) -> UnavailableError:
    path = home.logs / "server.log"
    tail = path.read_text(errors="replace").strip().splitlines()[-3:] if path.exists() else []
    return UnavailableError(
        "the server did not come up: " + (" / ".join(line.strip() for line in tail) or "it wrote nothing"),
        where=str(path),
        hint="falaj doctor looks for causes",
        code="platform.not-ready",
    )


def _stop(*processes: subprocess.Popen[bytes] | None, wait_s: float = _STOP_WAIT_S) -> None:
    """Ask processes to end, all at once, and wait until they have."""
    alive = [process for process in processes if process is not None and process.poll() is None]
    for process in alive:
        process.terminate()
    for process in alive:
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent() -> Callable[[], None]:
    """Ask the kernel to end the child with SIGTERM when the supervisor is gone (Linux)."""
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


def _empty_folder(home: Home) -> Path:
    """Where the parts are started: nothing of whoever starts them lies there, and nothing can be put there."""
    folder = home.root / "empty"
    folder.mkdir(exist_ok=True, mode=0o500)
    return folder


def _state_file(home: Home) -> Path:
    return home.root / "supervisor.json"
