"""What was already hashed: lets a `put` of unchanged files skip reading them.

A file counts as unchanged when device, inode, size, modification and change time are those of the moment it was
hashed, and both times lay well before that moment. The change time cannot be set by programs, and a file younger than
`SETTLED_S` when hashed is not remembered, because a later write could fall into the same tick of the file system's
clock (the "racy" case of the index format that git documents in racy-git.txt).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from falaj.supply_chain.artifacts.digest import Digest

SETTLED_S = 2.0
"""Seconds a file must have been left alone before it is hashed; the coarsest clock of a file system ticks at 2 s."""

Signature = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, modification time and change time in ns."""


def signature(status: os.stat_result) -> Signature:
    """What identifies the content of a file as long as nobody writes to it."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class StatCache:
    """Remembers, for each path that was put, the digests of its files.

    Args:
        folder: Where the notes are kept, one file a path; losing them costs time only.
        clock: Unix time in seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock

    def now(self) -> float:
        """Unix time in seconds, to be taken before hashing starts."""
        return self._clock()

    def recall(self, source: str) -> dict[Signature, Digest]:
        """Digests of the files below a path, as far as they were remembered."""
        try:
            notes = json.loads(self._note(source).read_bytes())
            return {(d, i, s, m, c): Digest(digest) for d, i, s, m, c, digest in notes}
        except (OSError, ValueError, TypeError):
            return {}  # no note, or one from another version: hash again

    def remember(self, source: str, digests: Mapping[Signature, Digest], hashed_at: float) -> None:
        """Note the digests of the settled files; a failure is ignored, for it costs time only.

        Args:
            source: The path that was put.
            digests: For each file, what it looked like and what it held.
            hashed_at: Unix time in seconds from before any of them was read.
        """
        limit = int((hashed_at - SETTLED_S) * 1e9)
        notes = [[*key, digest] for key, digest in digests.items() if max(key[3], key[4]) < limit]
        if not notes:
            return  # what an older note says of other files stays true
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            staged = self._folder / os.urandom(12).hex()
            staged.write_text(json.dumps(notes, separators=(",", ":")))
            staged.replace(self._note(source))

    def _note(self, source: str) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(source)).hexdigest()}.json"
