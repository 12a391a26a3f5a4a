"""One call that gives up what a process does not need."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from falaj.core.sandbox import landlock, seccomp

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/nix/store", "/sys")
_CONFIGURATION = (
    "ld.so.cache",
    "localtime",
    "timezone",
    "passwd",
    "group",
    "nsswitch.conf",
    "os-release",
    "mime.types",
)
_PROCESS = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/sys")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


@dataclass(frozen=True)
class Confinement:
    """What the kernel enforces on this process from now on.

    Args:
        files: Reads and writes are limited to the named folders, and no program can be started (Landlock).
        network: No socket but a Unix one can be made, and none can be connected to anything (seccomp).
        why_not: What could not be had, in one line; empty when both hold.
    """

    files: bool
    network: bool
    why_not: str = ""

    @property
    def complete(self) -> bool:
        """Whether both hold."""
        return self.files and self.network

    def __str__(self) -> str:
        """For logs: what holds, and what does not."""
        confined_parts = [name for name, holds in (("files", self.files), ("network", self.network)) if holds]
        return f"confined: {', '.join(confined_parts) or 'nothing'}" + (f" ({self.why_not})" if self.why_not else "")


_IN_FORCE: list[Confinement] = []


def confine(*, readable: Sequence[Path] = (), writable: Sequence[Path] = ()) -> Confinement:
    """Give up the network, programs, and all files but these and what Python itself needs to import.

    Call it before there are threads: what runs already keeps its rights.

    Args:
        readable: Existing files and folders to read, with all below them.
        writable: Existing folders to read and write in; sockets are made before.

    Returns:
        What is enforced; a kernel without a part leaves that part out and says so.
    """
    os.environ["JOBLIB_MULTIPROCESSING"] = "0"  # it would try for semaphores, which are shared, and complain
    limits: dict[str, Callable[[], None]] = {
        "Landlock": lambda: landlock.restrict([*_python(), *_system(), *readable], [*_devices(), *writable]),
        "seccomp": seccomp.restrict,
    }
    missing: dict[str, str] = {}
    for name, limit in limits.items():
        try:
            limit()
        except OSError as error:
            missing[name] = f"no {name}: {error.strerror}"
    confinement = Confinement("Landlock" not in missing, "seccomp" not in missing, "; ".join(missing.values()))
    _IN_FORCE.append(confinement)
    return confinement


def in_force() -> Confinement:
    """What this process has given up for good; nothing before the first `confine`."""
    files, network = (any(getattr(each, part) for each in _IN_FORCE) for part in ("files", "network"))
    return Confinement(files, network, "" if _IN_FORCE else "the process was not confined")


def available() -> Confinement:
    """What `confine` would enforce on this machine; changes nothing."""
    files, network = landlock.version() > 0, seccomp.supported()
    missing = [name for name, there in (("Landlock", files), ("seccomp", network)) if not there]
    return Confinement(files, network, f"the kernel has no {' and no '.join(missing)}" if missing else "")


def _python() -> Iterator[Path]:
    """Where this interpreter and its packages are; the folder that it was started in is none of them."""
    here = os.path.join(os.path.realpath(os.getcwd()), "")  # noqa: PTH109, PTH118 - imported in every replica
    named = {path for path in sys.path if path and not here.startswith(os.path.join(os.path.realpath(path), ""))}  # noqa: PTH118
    yield from _existing({sys.prefix, sys.base_prefix, sys.exec_prefix, *named})


def system_paths() -> list[str]:
    """Folders and files of the system that every program may need, as far as they are there."""
    return [str(path) for path in _existing((*_SYSTEM, *(f"/etc/{name}" for name in _CONFIGURATION)))]


def device_paths() -> list[str]:
    """Device nodes that give nothing away."""
    return [str(path) for path in _existing(_DEVICES)]


def _system() -> Iterator[Path]:
    yield from _existing((*_SYSTEM, *_PROCESS, *(f"/etc/{name}" for name in _CONFIGURATION)))


def _devices() -> Iterator[Path]:
    yield from _existing(_DEVICES)


def _existing(paths: Iterable[str]) -> Iterator[Path]:
    return (Path(path) for path in sorted(paths) if os.path.exists(path))  # noqa: PTH110 - imported in every replica
