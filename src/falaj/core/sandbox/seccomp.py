"""seccomp: which calls a process may make of the kernel (`man 2 seccomp`).

A classic BPF program is asked at every call. A process that only computes and answers on a Unix socket (`ANSWERING`) is
refused other sockets, outgoing connections and programs; code of a project (`COMPUTING`, `LOCAL`) may start programs
and is refused what reaches other processes, the kernel's own settings, and new namespaces, which give rights back.
"""

from __future__ import annotations

import ctypes
import errno
import os

from .libc import checked, give_up_new_privileges, libc

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Instruction = tuple[int, str | int, str | int, int]

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _REFUSE, _ABSENT = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT, _THIRD_ARGUMENT_AT, _FOURTH_ARGUMENT_AT = 16, 24, 32, 40
_IPPROTO_MPTCP, _MSG_FASTOPEN = 262, 0x20000000  # TCP that Landlock does not see
_SOCK_STREAM, _SOCK_TYPE = 1, 0xF
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* that the first argument of `clone` can carry
_CLONE3 = 435  # its flags are behind a pointer: where it is absent, the C library takes `clone`

ANSWERING, COMPUTING, LOCAL = "answering", "computing", "local"
"""What a process does: answers on a Unix socket; computes; computes without connecting to anything."""

_ARCHITECTURES: Mapping[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET: Mapping[str, int] = {"x86_64": 41, "aarch64": 198}
_CLONE: Mapping[str, int] = {"x86_64": 56, "aarch64": 220}
_SEND: Mapping[str, Mapping[int, int]] = {  # by number: where the flags are
    "x86_64": {44: _FOURTH_ARGUMENT_AT, 46: _THIRD_ARGUMENT_AT, 307: _FOURTH_ARGUMENT_AT},
    "aarch64": {206: _FOURTH_ARGUMENT_AT, 211: _THIRD_ARGUMENT_AT, 269: _FOURTH_ARGUMENT_AT},
}
_CONNECT: Mapping[str, int] = {"x86_64": 42, "aarch64": 203}
_OWN_SIGNALS: Mapping[str, tuple[int, ...]] = {"x86_64": (62, 129, 234, 297), "aarch64": (129, 131, 138, 240)}
"""kill, rt_sigqueueinfo, tgkill, rt_tgsigqueueinfo: their first argument is the process that a signal is for."""
_OTHER_SIGNALS: Mapping[str, tuple[int, ...]] = {"x86_64": (200, 424), "aarch64": (130, 424)}
"""tkill and pidfd_send_signal: whom they reach cannot be seen in a number."""
_PROGRAMS: Mapping[str, tuple[int, ...]] = {"x86_64": (59, 322), "aarch64": (221, 281)}
_REFUSED: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "ptrace": 101, "syslog": 103, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167,
        "swapoff": 168, "reboot": 169, "init_module": 175, "delete_module": 176, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304,
        "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313, "kexec_file_load": 320,
        "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430,
        "fsmount": 432, "pidfd_getfd": 438, "mount_setattr": 442,
    },
    "aarch64": {
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97, "kexec_load": 104,
        "init_module": 105, "delete_module": 106, "syslog": 116, "ptrace": 117, "reboot": 142, "add_key": 217,
        "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "perf_event_open": 241,
        "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294, "io_uring_setup": 425,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_getfd": 438, "mount_setattr": 442,
    },
}  # fmt: skip
_XATTRS: Mapping[str, tuple[int, ...]] = {"x86_64": (188, 189, 190, 463, 425), "aarch64": (5, 6, 7, 463, 425)}
"""setxattr, lsetxattr, fsetxattr, setxattrat, and io_uring_setup, which reaches them by another way."""


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction))]


def supported() -> bool:
    """Whether the kernel filters calls and this architecture's numbers are known."""
    return os.uname().machine in _ARCHITECTURES and int(libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)) >= 0


def restrict(purpose: str = ANSWERING) -> None:
    """Refuse the calls that a purpose does not need to this process from now on.

    Raises:
        OSError: The kernel or this architecture does not offer it.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        raise OSError(0, f"the calls of {machine} are not known")
    _install(program(machine, purpose, os.getpid()))


def refuse_extended_attributes() -> None:
    """Refuse to this process, and to all that it starts, to write extended attributes: capabilities of files are some.

    Raises:
        OSError: The kernel does not offer it.
    """
    machine = os.uname().machine
    beginning: list[Instruction] = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 0, "kill", _ARCHITECTURES[machine]),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, "refuse", 0, _X32_BIT),
        *((_JUMP_EQUAL, "refuse", 0, number) for number in _XATTRS[machine]),
        (_RETURN, 0, 0, _ALLOW),
    ]
    ends: dict[str, list[Instruction]] = {"refuse": [(_RETURN, 0, 0, _REFUSE)], "kill": [(_RETURN, 0, 0, _KILL)]}
    _install(_resolved(beginning, ends))


def _install(rules: Sequence[tuple[int, int, int, int]]) -> None:
    instructions = [_Instruction(*fields) for fields in rules]
    array = (_Instruction * len(instructions))(*instructions)
    give_up_new_privileges()
    filtering = _Program(len(instructions), array)
    checked(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filtering), 0, 0))


def refused(machine: str, purpose: str) -> list[int]:
    """Numbers of the calls that are refused whatever their arguments."""
    answering = (_CONNECT[machine], *_PROGRAMS[machine], *_OTHER_SIGNALS[machine])
    more = {ANSWERING: answering, COMPUTING: (), LOCAL: (_CONNECT[machine],)}[purpose]
    return sorted([*_REFUSED[machine].values(), *more])


def families(purpose: str) -> tuple[int, ...]:
    """Families of sockets that may be made."""
    return (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK) if purpose == COMPUTING else (_AF_UNIX,)


def program(machine: str, purpose: str = ANSWERING, own: int = 0) -> Sequence[tuple[int, int, int, int]]:
    """The BPF program of an architecture: operation, jump if true, jump if false, value.

    Args:
        machine: The architecture.
        purpose: What the process does.
        own: Its process id; who only answers signals itself and nobody else. Landlock scopes signals from version 6 on.
    """
    signals = _OWN_SIGNALS[machine] if purpose == ANSWERING else ()
    return _resolved(
        [
            (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
            (_JUMP_EQUAL, 0, "kill", _ARCHITECTURES[machine]),
            (_LOAD_WORD, 0, 0, _NUMBER_AT),
            (_JUMP_AT_LEAST, "refuse", 0, _X32_BIT),
            *((_JUMP_EQUAL, "refuse", 0, number) for number in refused(machine, purpose)),
            *((_JUMP_EQUAL, "signal", 0, number) for number in signals),
            (_JUMP_EQUAL, "socket", 0, _SOCKET[machine]),
            (_JUMP_EQUAL, "clone", 0, _CLONE[machine]),
            *((_JUMP_EQUAL, f"flags {place}", 0, number) for number, place in _SEND[machine].items()),
            (_JUMP_EQUAL, "absent", "allow", _CLONE3),
        ],
        {
            "clone": [(_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_AT), (_JUMP_ANY_BIT, "refuse", "allow", _NEW_NAMESPACES)],
            "signal": [(_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_AT), (_JUMP_EQUAL, "allow", "refuse", own)],
            "socket": [
                (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_AT),
                *((_JUMP_EQUAL, "type", 0, family) for family in families(purpose)),
                (_JUMP_EQUAL, "refuse", "refuse", 0),
            ],
            "type": _of_types(purpose),
            **{
                f"flags {place}": [(_LOAD_WORD, 0, 0, place), (_JUMP_ANY_BIT, "refuse", "allow", _MSG_FASTOPEN)]
                for place in sorted({*_SEND[machine].values()})
            },
            "refuse": [(_RETURN, 0, 0, _REFUSE)],
            "allow": [(_RETURN, 0, 0, _ALLOW)],
            "absent": [(_RETURN, 0, 0, _ABSENT)],
            "kill": [(_RETURN, 0, 0, _KILL)],
        },
    )


def _of_types(purpose: str) -> Sequence[Instruction]:
    """Who only answers makes no datagrams: these reach a named socket without a connection."""
    if purpose != ANSWERING:
        return [(_LOAD_WORD, 0, 0, _THIRD_ARGUMENT_AT), (_JUMP_EQUAL, "refuse", "allow", _IPPROTO_MPTCP)]
    return [
        (_LOAD_WORD, 0, 0, _SECOND_ARGUMENT_AT),
        (_AND, 0, 0, _SOCK_TYPE),
        (_JUMP_EQUAL, "allow", "refuse", _SOCK_STREAM),
    ]


def _resolved(
    beginning: Sequence[Instruction], blocks: Mapping[str, Sequence[Instruction]]
) -> list[tuple[int, int, int, int]]:
    """The blocks behind one another, names of blocks as distances; a block that does not return runs into the next."""
    places, instructions = {}, [*beginning]
    for name, block in blocks.items():
        places[name] = len(instructions)
        instructions += block

    def distance(target: str | int, at: int) -> int:
        return places[target] - at - 1 if isinstance(target, str) else target

    return [
        (code, distance(yes, at), distance(no, at), value) for at, (code, yes, no, value) in enumerate(instructions)
    ]
