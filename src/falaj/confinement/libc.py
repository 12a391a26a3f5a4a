"""The C library, through which the kernel is asked for what Python has no call for."""

from __future__ import annotations

import ctypes
import os

_PR_SET_NO_NEW_PRIVS = 38

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
