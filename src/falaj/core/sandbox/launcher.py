"""The process between Falaj and code of a project: it builds the sandbox, starts the code behind it, and ends with it.

Run by `falaj.core.sandbox.launch` with Falaj's own Python, `-I -S`; the order is marshalled on standard input. With
namespaces there are two of it: the outer one, whose process id the engine knows, and the first process of the new
process ids, whose end is the end of all that was started. Without them the outer one adopts what loses its parent and
ends it. SIGTERM asks the code to stop, SIGHUP ends everything at once, as does the end of the engine.
"""

# pathlib, json, signal and contextlib take longer to import than a small step takes to run.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import marshal
import os
import resource

from . import landlock, namespaces, seccomp
from .libc import adopt_orphans, give_up_capabilities, hide_memory, set_death_signal

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypedDict

    class Order(TypedDict):
        """What `falaj.core.sandbox.launch.Launch` hands over."""

        command: list[str]
        folder: str
        environ: dict[str, str]
        readable: list[str]
        listed: list[str]
        writable: list[str]
        devices: list[str]
        temporary: str
        own_temporary: bool
        network: bool
        closed_ports: list[int]
        namespaces: bool
        landlock: bool
        seccomp: bool
        processes: int
        open_files: int
        shared_memory_bytes: int
        receipt: int


REFUSED = 125
"""Exit code of a launcher that could not start the code in the sandbox; its receipt says why."""


def main(parent: int) -> None:
    """Carry out the order on standard input; ends as the code ended, by exit code or signal."""
    set_death_signal(signal.SIGHUP, parent)
    order = _read_order()
    os.set_inheritable(order["receipt"], False)
    try:
        status = _run_inside(order) if order["namespaces"] else _run_adopting(order)
    except OSError as error:
        _refuse(order, error)
    _end_as(status)


def _read_order() -> Order:
    with open(0, "rb", closefd=False) as file:
        order: Order = marshal.load(file)  # noqa: S302 - written by the engine for this process
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return order


def _run_inside(order: Order) -> int:
    """Run the code in namespaces of its own; return its wait status, or that of their first process."""
    namespaces.separate(network=order["network"])
    hide_memory()
    heard, status_fd = os.pipe()
    status = _Supervisor(order).run(lambda: _first(order, status_fd))
    os.close(status_fd)
    report = os.read(heard, 64)
    return int(report) if report else status


def _run_adopting(order: Order) -> int:
    """Run the code, and end what it leaves behind; return its wait status."""
    adopt_orphans()
    hide_memory()
    own = os.getpid()
    status = _Supervisor(order).run(lambda: _become(order, own))
    _end_descendants()
    return status


def _first(order: Order, status_fd: int) -> None:
    """The first process of the namespaces: everything in them ends when it does."""
    set_death_signal(signal.SIGKILL, 0)  # a parent outside of the process ids is number 0
    namespaces.build_root(
        [path for path in order["readable"] if not _below(path, order["listed"])] + order["listed"],
        order["writable"],
        order["devices"],
        temporary=order["temporary"],
        shared_memory_bytes=order["shared_memory_bytes"],
        processes=order["processes"],
    )
    if not order["network"]:
        namespaces.start_loopback()
    status = _Supervisor(order).run(lambda: _become(order, 1))
    os.write(status_fd, str(status).encode())


def _become(order: Order, parent: int) -> None:
    """Become the code of the project, in a session of its own."""
    set_death_signal(signal.SIGKILL, parent)
    os.setsid()
    _limit(order)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(order["folder"])
    _confine(order)
    os.execvpe(order["command"][0], order["command"], order["environ"])  # noqa: S606 - that is what it is for


def _below(path: str, folders: list[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _limit(order: Order) -> None:
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: order["open_files"]}
    if order["namespaces"]:  # outside it would count every process of the user
        limits[resource.RLIMIT_NPROC] = order["processes"]
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _confine(order: Order) -> None:
    """Give up what the code does not need, with what the kernel has for it."""
    give_up_capabilities()
    inside = order["namespaces"]
    if order["landlock"]:
        writable = [
            *order["writable"],
            namespaces.SHARED_MEMORY,
            *([namespaces.TEMPORARY] if order["own_temporary"] else []),
        ]
        readable = [*order["readable"], "/proc"]
        landlock.restrict_programs(
            readable,
            writable,
            order["devices"],
            listed=order["listed"],
            network=order["network"] or inside,
            closed_ports=order["closed_ports"],
        )
    if order["seccomp"]:
        seccomp.restrict(seccomp.COMPUTING if order["network"] or inside else seccomp.LOCAL)


class _Supervisor:
    """One child, and what may be asked of it meanwhile.

    Args:
        order: Says where a failure to start is reported.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._child = 0
        self._is_stopping = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGHUP, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self, body: Callable[[], None]) -> int:
        """Fork, let the child do what `body` says, and return its wait status."""
        self._child = os.fork()
        if not self._child:
            self._never_return(body)
        if self._is_stopping:
            self._ask()
        while True:
            pid, status = os.waitpid(-1, 0)  # orphans are collected as well
            if pid == self._child:
                self._child = 0
                return status

    def _never_return(self, body: Callable[[], None]) -> NoReturn:
        code = 1
        try:
            body()
            code = 0
        except OSError as error:
            _refuse(self._order, error)
        finally:
            os._exit(code)

    def _ask(self, *_: object) -> None:
        """Ask the child and its group to stop."""
        self._is_stopping = True
        if self._child:
            _send(self._child, signal.SIGTERM, group=True)

    def _end(self, *_: object) -> None:
        """End the child; what it started ends with it, or after it."""
        if not self._child:
            os._exit(128 + signal.SIGKILL)
        _send(self._child, signal.SIGKILL)


def _send(pid: int, number: int, *, group: bool = False) -> None:
    try:
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return


def _end_descendants() -> None:
    while True:
        for pid in _descendants(os.getpid()):
            _send(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants(ancestor: int) -> list[int]:
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}
    family = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sorted(family - {ancestor})


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    return int(text[text.rindex(b")") + 2 :].split()[1])


def _refuse(order: Order, error: OSError) -> NoReturn:
    os.write(order["receipt"], marshal.dumps((error.errno or 0, error.strerror or str(error), error.filename or "")))
    os._exit(REFUSED)


def _end_as(status: int) -> NoReturn:
    """End with the same exit code or by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))
