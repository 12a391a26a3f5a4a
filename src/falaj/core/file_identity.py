"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path


def identity_of(path: Path) -> tuple[int, int, int] | None:
    """What differs when a file was replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
