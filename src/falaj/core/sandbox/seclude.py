"""Hiding folders and files from a process and from all that it starts, in a mount namespace that it cannot leave."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from falaj.core.sandbox import namespaces, seccomp
from falaj.core.sandbox.libc import CAP_SETFCAP, give_up_capabilities

_SIZE = 1 << 20


def seclude(folders: Mapping[Path, Mapping[str, bytes]], files: Sequence[Path] = ()) -> None:
    """Hide folders and files from this process for good.

    A folder looks as if it held what is shown of it and nothing else; files are empty. Other processes of the same user
    that stay outside cannot be looked into either. Call it before there are threads.

    Args:
        folders: Absolute; each with the content of files by name, as copies that nobody else sees. Those that are not
            there are made.
        files: More files to hide; those that are not there are left out.

    Raises:
        OSError: The kernel or its administrator does not allow it.
    """
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    namespaces.separate_mounts()
    for folder, shown in folders.items():
        namespaces.cover(str(folder), _SIZE)
        for name, content in shown.items():
            (folder / name).write_bytes(content)
    for path in files:
        if path.is_file():
            namespaces.blank(str(path))
    namespaces.separate_mounts()  # what was mounted above cannot be taken away from inside these
    _give_up_rights()
    os.chdir("/")


def _give_up_rights() -> None:
    """Give up what was for the mounts; what is started later can still have namespaces of its own.

    The user 0 may be that of a further user namespace only with the right to give capabilities to files (Linux 5.12),
    whose use is refused.
    """
    is_root = os.geteuid() == 0 and seccomp.supported()
    give_up_capabilities(CAP_SETFCAP if is_root else None)
    if is_root:
        seccomp.refuse_extended_attributes()
