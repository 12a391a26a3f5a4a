"""Landlock: which files a process may touch (Linux 5.13 and later; `man 7 landlock`)."""

from __future__ import annotations

import ctypes
import os

from .libc import checked, give_up_new_privileges, libc

TYPE_CHECKING = False  # `typing` and `pathlib` take longer to import than Python to start
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    Paths = Iterable[str | os.PathLike[str]]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_GET_VERSION, _RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 1, 2
PORTS = 65536

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 9, 1 << 10, 1 << 11, 1 << 12
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_ALL_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE | _REFER
_USE = _WRITE | _EXECUTE | _MAKE_SOCK | _MAKE_FIFO | _MAKE_SYM
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1
_DIRECTORY = 0o040000


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _NetPort(ctypes.Structure):
    _fields_ = [("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def version() -> int:
    """The version that the kernel offers; 0 when it has none."""
    abi_version = int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _GET_VERSION))
    return max(0, abi_version)


def restrict(readable: Paths, writable: Paths) -> None:
    """Allow this process to touch these paths and what is below them, and to start no program and use no TCP.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    _restrict([(path, _READ) for path in readable] + [(path, _WRITE) for path in writable], network=False)


def restrict_programs(
    readable: Paths,
    writable: Paths,
    devices: Paths,
    *,
    listed: Paths = (),
    network: bool,
    closed_ports: Collection[int] = (),
) -> None:
    """Allow this process and the programs it starts to touch these paths and what is below them.

    Args:
        readable: To read, list and execute.
        writable: To do everything in.
        devices: To read, write and control.
        listed: Folders whose names can be read, and nothing in the files.
        network: Whether TCP is left alone.
        closed_ports: TCP ports that cannot be connected to all the same, whatever the address.

    Raises:
        OSError: The kernel has no Landlock, or refuses.
    """
    rules = [(path, _READ | _EXECUTE) for path in readable]
    rules += [(path, _USE) for path in writable]
    rules += [(path, _READ_DIR) for path in listed]
    rules += [(path, _READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) for path in devices]
    _restrict(rules, network=network, closed_ports=closed_ports)


def _restrict(
    rules: list[tuple[str | os.PathLike[str], int]], *, network: bool, closed_ports: Collection[int] = ()
) -> None:
    offered = version()
    if not offered:
        raise OSError(0, "the kernel does not offer it")
    handled = _ALL_OF_VERSION[min(offered, 5)]
    network_rights = (_CONNECT_TCP if closed_ports else 0) if network else _BIND_TCP | _CONNECT_TCP
    ruleset = _create(handled, offered, network_rights)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        if network and closed_ports and offered >= 4:
            _allow_ports(ruleset, closed_ports)
        give_up_new_privileges()
        checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _create(handled: int, offered: int, network_rights: int) -> int:
    """A ruleset that denies everything it handles, TCP and signals to others with it where the kernel can."""
    attributes = _Ruleset(
        handled,
        network_rights if offered >= 4 else 0,
        _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if offered >= 6 else 0,
    )
    size = 24 if offered >= 6 else 16 if offered >= 4 else 8
    return checked(libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0))


def _allow_ports(ruleset: int, closed: Collection[int]) -> None:
    """Allow connections to every port but these: there are no rules that deny."""
    rule = _NetPort(_CONNECT_TCP, 0)
    place, call, none = ctypes.byref(rule), libc.syscall, frozenset(closed)
    for port in range(PORTS):
        if port not in none:
            rule.port = port
            checked(call(_ADD_RULE, ruleset, _RULE_NET_PORT, place, 0))


def _allow(ruleset: int, path: str | os.PathLike[str], rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if os.fstat(descriptor).st_mode & 0o170000 != _DIRECTORY:
            rights &= _OF_FILES
        rule = _PathBeneath(rights, descriptor)
        checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)
