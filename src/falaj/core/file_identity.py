"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path


def identity_of(path: Path) -> tuple[int, int, int] | None:
    """What differs when a file was replaced; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
