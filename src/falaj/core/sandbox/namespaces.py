"""Namespaces: a process with process ids, mounts, network and shared memory of its own (`man 7 namespaces`).

A user namespace gives the rights for the others, and needs none itself. The new root holds what is named and nothing
else; sockets, other processes and the network of the machine have no name in it.
"""

# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH103, PTH110, PTH112, PTH120, PTH123, PTH211

from __future__ import annotations

import _socket
import ctypes
import fcntl
import os

from .libc import checked, libc

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from collections.abc import Iterable

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = (
    0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x80000
_MNT_DETACH = 2
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000  # the same number on every architecture
_ATTR_RDONLY, _ATTR_NOSUID = 0x1, 0x2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_NEW_ROOT = "/proc"  # it gets a new one anyway, so nothing that is named lies below it
SHARED_MEMORY, TEMPORARY = "/dev/shm", "/tmp"  # noqa: S108 - of the new root


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def separate(*, network: bool) -> None:
    """Leave the machine's namespaces; process ids are the children's.

    Args:
        network: Whether the machine's network is kept.

    Raises:
        OSError: The kernel or its administrator does not allow it.
    """
    flags = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | (0 if network else _CLONE_NEWNET)
    _separate(flags)


def separate_mounts() -> None:
    """Leave the machine's mounts alone; this process and its children keep everything else.

    Raises:
        OSError: The kernel or its administrator does not allow it, or the process has threads.
    """
    _separate(_CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)


def _separate(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    checked(libc.unshare(_CLONE_NEWUSER | flags))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def cover(folder: str, size: int) -> None:
    """Put an empty folder in the place of another one; for a process with mounts of its own.

    Args:
        folder: What is covered.
        size: Most bytes of what may be written into it.

    Raises:
        OSError: The kernel does not allow it.
    """
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, f"size={size},mode=700")


def blank(file: str) -> None:
    """Put nothing in the place of a file; for a process with mounts of its own.

    Raises:
        OSError: The kernel does not allow it.
    """
    _mount(os.devnull, file, None, _MS_BIND)


def start_loopback() -> None:
    """Let the new network reach itself.

    Raises:
        OSError: The kernel does not allow it.
    """
    with_flags = b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, "little").ljust(24, b"\0")
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(probe.fileno(), _SIOCSIFFLAGS, with_flags)
    finally:
        probe.close()


def build_root(
    readable: Iterable[str],
    writable: Iterable[str],
    devices: Iterable[str],
    *,
    temporary: str,
    shared_memory_bytes: int,
    processes: int,
) -> None:
    """Make a root with these paths under their own names, and enter it. The process is the first of its process ids.

    Args:
        readable: Files and folders, for reading.
        writable: Folders, for writing.
        devices: Device nodes.
        temporary: The folder that is `/tmp`.
        shared_memory_bytes: Size of `/dev/shm`.
        processes: Most process ids, where the kernel counts them by namespace (Linux 6.14).

    Raises:
        OSError: The kernel does not allow it.
    """
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    _mount("tmpfs", _NEW_ROOT, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=16m,mode=755")
    _bind(temporary, _NEW_ROOT + TEMPORARY)
    modes = dict.fromkeys(readable, False) | dict.fromkeys(writable, True)
    for path in sorted(modes):  # a folder comes before what is below it
        _bind(path, _NEW_ROOT + path)
        if not modes[path]:
            _make_read_only(_NEW_ROOT + path)
    _make_devices(devices, shared_memory_bytes)
    _make_processes(processes)
    _enter()


def _make_devices(devices: Iterable[str], shared_memory_bytes: int) -> None:
    for path in devices:
        _bind(path, _NEW_ROOT + path)
    os.makedirs(_NEW_ROOT + SHARED_MEMORY, exist_ok=True)
    size = f"size={shared_memory_bytes},mode=1777"
    _mount("tmpfs", _NEW_ROOT + SHARED_MEMORY, "tmpfs", _MS_NOSUID | _MS_NODEV, size)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{_NEW_ROOT}/dev/{name}")


def _make_processes(processes: int) -> None:
    """Show the namespace's own processes; read-only, since the machine's settings are in it as well."""
    os.makedirs(f"{_NEW_ROOT}/proc")
    _mount("proc", f"{_NEW_ROOT}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if _counts_ids_by_namespace():
        with open(f"{_NEW_ROOT}/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(processes))
    _make_read_only(f"{_NEW_ROOT}/proc")


def _counts_ids_by_namespace() -> bool:
    """Before Linux 6.14 the file is the whole machine's."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)) or 0)) >= (6, 14)


def _enter() -> None:
    os.chdir(_NEW_ROOT)
    checked(libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."))
    checked(libc.umount2(b".", _MNT_DETACH))  # the old root, which lies upon the new one
    os.chdir("/")
    _set_attributes("/", _ATTR_RDONLY | _ATTR_NOSUID, 0)


def _bind(source: str, target: str) -> None:
    """Show a file or folder under another name; what is not there is left out."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif os.path.exists(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    else:
        return
    _mount(source, target, None, _MS_BIND | _MS_REC)


def _make_read_only(path: str) -> None:
    if os.path.exists(path):
        _set_attributes(path, _ATTR_RDONLY | _ATTR_NOSUID, _AT_RECURSIVE)


def _set_attributes(path: str, attributes: int, recursive: int) -> None:
    mount_attributes = _MountAttributes(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(mount_attributes))
    checked(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), recursive, ctypes.byref(mount_attributes), size))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    return_code = libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    if return_code < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
