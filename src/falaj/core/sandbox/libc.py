"""The C library, through which the kernel is asked for what Python has no call for."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 36, 38
_CAPSET: dict[str, int] = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_VERSION_3 = 0x20080522
CAP_SETFCAP = 31
"""To give capabilities to files; and to be the user 0 of a new user namespace while being that of this one."""

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return what a call of the C library returned.

    Raises:
        OSError: It failed; with the error number that it left.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def give_up_new_privileges() -> None:
    """Give up gaining rights by starting programs; without it the kernel confines only the privileged.

    Raises:
        OSError: The kernel refuses.
    """
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def give_up_capabilities(retained: int | None = None) -> None:
    """Give up every capability but one, also for programs that are started later as the user 0.

    Args:
        retained: Number of a capability below 32; None for none.

    Raises:
        OSError: The kernel refuses.
    """
    capability = 0
    while (
        capability == retained or libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
    ):  # the first unknown one ends it, or the lack of rights
        capability += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    bits = 0 if retained is None else 1 << retained
    sets = (ctypes.c_uint32 * 6)(bits, bits)  # effective and permitted, and nothing to inherit
    if (number := _CAPSET.get(os.uname().machine)) is not None:
        checked(libc.syscall(number, header, sets))


def set_death_signal(number: int, parent: int) -> None:
    """Ask for a signal when the thread that started this process ends; end at once when it is gone already.

    Args:
        number: The signal.
        parent: Process id of the starter as this process sees it.

    Raises:
        OSError: The kernel refuses.
    """
    checked(libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends.

    Raises:
        OSError: The kernel refuses.
    """
    checked(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def hide_memory() -> None:
    """Let no process of this user read the memory or the environment of this one.

    Raises:
        OSError: The kernel refuses.
    """
    checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
