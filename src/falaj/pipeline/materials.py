"""Copies of artifacts that the steps of one run read, made once for all of them."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.artifacts import ArtifactStore, Digest

_Look = list[tuple[str, int, int]]


class Materials:
    """The inputs of a run's steps as files.

    A file is read-only; a copy that a step changed nevertheless is made again for the next reader.

    Args:
        store: Where artifacts come from.
        folder: Where copies go; the owner removes it after the run.
    """

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._looks: dict[Path, _Look] = {}

    def path(self, digest: Digest, filename: str = "") -> Path:
        """The copy of an artifact; safe to ask for from several threads.

        Args:
            digest: Which artifact.
            filename: Name for a file artifact; empty for a tree.

        Raises:
            ArtifactCorruptError: The store's bytes are damaged.
            ArtifactMissingError: The store does not have it.
        """
        target = self._folder / digest.partition(":")[2][:32] / (filename or "tree")
        with self._locks[str(target)]:
            if target not in self._looks or _look(target) != self._looks[target]:
                self._fetch(digest, target)
        return target

    def _fetch(self, digest: Digest, target: Path) -> None:
        import shutil

        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        self._store.fetch(digest, target)
        for file in _files(target):
            file.chmod(file.stat().st_mode & 0o555)
        self._looks[target] = _look(target)


def _files(target: Path) -> list[Path]:
    return sorted(each for each in target.rglob("*") if each.is_file()) if target.is_dir() else [target]


def _look(target: Path) -> _Look:
    """Enough to see that somebody wrote to a copy."""
    if not target.exists():
        return []
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _files(target)]
