"""How much of the disk a step's folder takes."""

from __future__ import annotations

import os
from pathlib import Path

SHARE_OF_FREE = 0.8
"""Of what is free when a step starts, so much may a step without a limit of its own fill."""
_STEP = 16 << 20


def default_limit(folder: Path) -> int:
    """Bytes that a step without `resources.disk` may write."""
    return int(_free_bytes(folder) * SHARE_OF_FREE)


def used_bytes(folder: str) -> int:
    """Bytes of the disk that a folder takes with all below it; what disappears meanwhile counts for nothing."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += used_bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return total
    return total


class DiskWatch:
    """Measures a folder, and only when the disk has become fuller since.

    Args:
        folder: Of the step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._free = folder, _free_bytes(folder)
        self._used = 0

    def used_bytes(self) -> int:
        """What the folder takes, as it was measured last."""
        free = _free_bytes(self._folder)
        if free <= self._free - _STEP:
            self._free, self._used = free, used_bytes(str(self._folder))
        return self._used


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
