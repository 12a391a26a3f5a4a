"""Where the file of a data source is, and whether it is there as more than a pointer."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

_LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_LONGEST_POINTER = 1024


def plain_path(folder: Path, rest: str) -> Path:
    """The file that a URL names, written as it is or percent-encoded; the first where both or neither are there.

    Args:
        folder: What a relative path begins at.
        rest: The URL behind its `//`.
    """
    as_written, decoded = folder / rest, folder / unquote(rest)
    return decoded if not os.path.lexists(as_written) and os.path.lexists(decoded) else as_written


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file holds a pointer of Git LFS in place of its content."""
    if path.stat().st_size > _LONGEST_POINTER:
        return False
    with path.open("rb") as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER
