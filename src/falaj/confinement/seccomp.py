"""seccomp: which calls a process may make of the kernel (`man 2 seccomp`).

A classic BPF program is asked at every call. It refuses with EPERM what a process that only computes and answers on a
Unix socket never needs: other sockets, outgoing connections, programs, other processes' memory, and the doors around
those (io_uring makes sockets without `socket`, user namespaces give rights back).
"""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Mapping, Sequence

from falaj.confinement.libc import checked, give_up_new_privileges, libc

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_LOAD_WORD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_AF_UNIX = 1
_X32_BIT = 0x40000000

_ARCHITECTURES: Mapping[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET: Mapping[str, int] = {"x86_64": 41, "aarch64": 198}
_REFUSED: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "connect": 42, "execve": 59, "ptrace": 101, "mount": 165, "init_module": 175, "keyctl": 250, "unshare": 272,
        "perf_event_open": 298, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
        "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425, "pidfd_getfd": 438,
    },
    "aarch64": {
        "mount": 40, "unshare": 97, "init_module": 105, "ptrace": 117, "connect": 203, "keyctl": 219, "execve": 221,
        "perf_event_open": 241, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
        "execveat": 281, "userfaultfd": 282, "io_uring_setup": 425, "pidfd_getfd": 438,
    },
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction))]


def supported() -> bool:
    """Whether the kernel filters calls and this architecture's numbers are known."""
    return platform.machine() in _ARCHITECTURES and int(libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)) >= 0


def restrict() -> None:
    """Refuse those calls to this process from now on.

    Raises:
        OSError: The kernel or this architecture does not offer it.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(0, f"the calls of {machine} are not known")
    instructions = [_Instruction(*fields) for fields in program(machine)]
    array = (_Instruction * len(instructions))(*instructions)
    give_up_new_privileges()
    filtering = _Program(len(instructions), array)
    checked(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filtering), 0, 0))


def program(machine: str) -> Sequence[tuple[int, int, int, int]]:
    """The BPF program of an architecture: operation, jump if true, jump if false, value."""
    refused = sorted(_REFUSED[machine].values())
    beginning = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    # From here each jump counts the instructions that are left before "refuse", the last but none.
    end = [
        (_JUMP_EQUAL, 1, 0, _SOCKET[machine]),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    tests = [(_JUMP_AT_LEAST, _X32_BIT), *((_JUMP_EQUAL, number) for number in refused)]
    distance = len(tests) + len(end) - 2
    middle = [(code, distance - index, 0, value) for index, (code, value) in enumerate(tests)]
    return [*beginning, *middle, *end]
