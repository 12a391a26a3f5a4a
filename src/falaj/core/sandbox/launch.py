"""Starting code of a project in the sandbox: one typed order, one launcher."""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from falaj.core.sandbox.confine import device_paths, system_paths
from falaj.core.sandbox.launcher import REFUSED
from falaj.core.sandbox.namespaces import TEMPORARY

if TYPE_CHECKING:
    from falaj.core.sandbox.capabilities import Sandbox

_HERE = Path(__file__).resolve().parent
_PACKAGE = "falaj_sandbox"
_PATIENCE_S = 10.0
"""How long a launcher may take to end everything before it is killed itself."""
_PROGRAM = (
    "import sys; package = type(sys)(sys.argv[1]); package.__path__ = [sys.argv[2]]; "
    "sys.modules[sys.argv[1]] = package; "
    "from falaj_sandbox.launcher import main; main(int(sys.argv[3]))"
)
_PACKAGES_OF_SYSTEM = (
    "alternatives", "ld.so.conf", "ld.so.conf.d", "fonts", "hosts", "resolv.conf", "host.conf", "gai.conf", "protocols",
    "services", "ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/ca-trust", "crypto-policies",
)  # fmt: skip


class ExposedHomeError(OSError):
    """The order would show what must stay hidden."""


@dataclass(frozen=True)
class Ceilings:
    """What the code and all that it starts may use together.

    Args:
        processes: Processes and threads.
        open_files: Open files of one process.
        shared_memory_bytes: Size of `/dev/shm`.
    """

    processes: int = 4096
    open_files: int = 65536
    shared_memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class Launch:
    """An order to the launcher.

    Args:
        command: Program and arguments.
        folder: Working directory; one of what is readable or writable, or below it.
        environ: The whole environment.
        readable: Files and folders to read and execute, beside the system's own.
        scratch: The folder to write in. `tmp` in it, which must be there, is also `/tmp`.
        writable: More folders to write in.
        network: Whether the machine's network is reached.
        ceilings: Limits.
        devices: Device nodes beside the common ones.
        hidden: Folders that nothing readable may contain: the home of the installation.
        closed_ports: TCP ports that are not reached although the network is, where there is Landlock 4.
        listed: Folders of which only what is readable can be read; their names are seen. Without Landlock all of them
            is readable.
    """

    command: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str]
    readable: tuple[Path, ...]
    scratch: Path
    writable: tuple[Path, ...] = ()
    network: bool = False
    ceilings: Ceilings = field(default_factory=Ceilings)
    devices: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    listed: tuple[Path, ...] = ()
    closed_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Launched:
    """A launcher at work.

    Args:
        process: SIGTERM to it asks the code to stop, SIGHUP ends all of it.
        receipt: Descriptor of what it says when the code cannot be started.
    """

    process: subprocess.Popen[bytes]
    receipt: int

    def end(self) -> None:
        """Let the launcher end everything that it started, and wait for it."""
        self.process.send_signal(signal.SIGHUP)
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def refuse_unstarted(self) -> None:
        """To be called when the launcher has ended.

        Raises:
            OSError: The code was never started; says why.
        """
        report = os.read(self.receipt, 1 << 16) if self.process.returncode == REFUSED else b""
        if report:
            number, words, name = marshal.loads(report)  # noqa: S302 - only the launcher holds the other end
            raise OSError(number, words, *([name] if name else []))


def start(launch: Launch, sandbox: Sandbox, stdout: int | None = subprocess.PIPE) -> Launched:
    """Start the code in a sandbox, its standard error joined to its output. Close `receipt` when it has ended.

    The end of the calling thread ends the code.

    Raises:
        ExposedHomeError: Something readable contains what must stay hidden.
        OSError: The launcher could not be started.
    """
    refuse_exposure(launch)
    (launch.scratch / "tmp").mkdir(parents=True, exist_ok=True)
    heard, status_fd = os.pipe()
    order = os.memfd_create("order")
    try:
        os.write(order, marshal.dumps(_message(launch, sandbox, status_fd)))
        os.lseek(order, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _PACKAGE, str(_HERE), str(os.getpid())],
            env=_own_environ(),
            stdin=order,
            stdout=stdout,
            stderr=subprocess.STDOUT if stdout is not None else None,
            bufsize=0,
            start_new_session=True,
            pass_fds=[status_fd],
        )
    except BaseException:
        os.close(heard)
        raise
    finally:
        os.close(status_fd)
        os.close(order)
    return Launched(process, heard)


def run_to_end(launch: Launch, sandbox: Sandbox, timeout_s: float) -> tuple[int, str]:
    """Run something to its end; return its exit code and what it wrote.

    Raises:
        OSError: It could not be started.
        subprocess.TimeoutExpired: It took too long, and was ended.
    """
    launched = start(launch, sandbox)
    try:
        written, _ = launched.process.communicate(timeout=timeout_s)
        launched.refuse_unstarted()
        return launched.process.returncode, written.decode(errors="replace")
    finally:
        if launched.process.returncode is None:
            launched.end()
        if launched.process.stdout is not None:
            launched.process.stdout.close()
        os.close(launched.receipt)


def refuse_exposed_home(home: Path) -> None:
    """Refuse a home that lies below something which every confined process of ours reads, such as its Python.

    Raises:
        ExposedHomeError: Names both.
    """
    own = (path for path in (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path) if path)
    for shown in (*map(Path, own), *map(Path, system_paths())):
        if home.resolve().is_relative_to(shown.resolve()):
            raise ExposedHomeError(0, f"{home} lies below {shown}, which model servers read")


def refuse_exposure(launch: Launch) -> None:
    """Refuse an order that shows a hidden folder because it contains it.

    Raises:
        ExposedHomeError: Names both.
    """
    for shown in (*launch.readable, *launch.listed, *launch.writable, launch.scratch, *map(Path, system_paths())):
        for hidden in launch.hidden:
            if hidden.resolve().is_relative_to(shown.resolve()):
                raise ExposedHomeError(0, f"{hidden} lies below {shown}, which code of projects reads")


def _own_environ() -> dict[str, str]:
    """Of the launcher: nothing but what its Python may need to be loaded."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def _message(launch: Launch, sandbox: Sandbox, receipt: int) -> dict[str, object]:
    """The order as the launcher reads it: see `falaj.core.sandbox.launcher.Order`."""
    below = any(path.is_relative_to(TEMPORARY) for path in launch.listed)  # who may write there could read all of it
    own_temporary = sandbox.namespaces and not below
    return {
        "command": list(launch.command),
        "folder": str(launch.folder),
        "environ": {**launch.environ, **({"TMPDIR": TEMPORARY} if own_temporary else {})},  # short, for sockets
        "own_temporary": own_temporary,
        "readable": [*_with_real([*system_paths(), *_more_system_paths(), *map(str, launch.readable)])],
        "listed": [*_with_real(map(str, launch.listed))],
        "writable": [*_with_real(map(str, (launch.scratch, *launch.writable)))],
        "devices": [*device_paths(), *map(str, launch.devices)],
        "temporary": str(launch.scratch / "tmp"),
        "network": launch.network,
        "closed_ports": list(launch.closed_ports) if launch.network else [],
        "namespaces": sandbox.namespaces,
        "landlock": sandbox.landlock > 0,
        "seccomp": sandbox.seccomp,
        "processes": launch.ceilings.processes,
        "open_files": launch.ceilings.open_files,
        "shared_memory_bytes": launch.ceilings.shared_memory_bytes,
        "receipt": receipt,
    }


def _more_system_paths() -> Iterator[str]:
    for name in _PACKAGES_OF_SYSTEM:
        with suppress(OSError):
            path = f"/etc/{name}"
            os.stat(path)  # noqa: PTH116 - texts, and many
            yield path


def _with_real(paths: Iterator[str] | list[str]) -> Iterator[str]:
    """Each path as it is written and, where a part of it is a link, as it is; links inside lead to the latter."""
    for path in paths:
        yield path
        real = os.path.realpath(path)
        if real != path:
            yield real
