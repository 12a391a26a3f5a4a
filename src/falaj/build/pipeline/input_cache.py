"""Copies of artifacts that the steps of one run read, made once for all of them."""

from __future__ import annotations

import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore, Digest

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
        if target.is_dir():
            shutil.rmtree(target)
        elif target in self._looks:
            target.unlink(missing_ok=True)
        self._store.fetch(digest, target)
        look = _look(target)
        for file, *_ in look:
            os.chmod(file, os.stat(file).st_mode & 0o555)  # noqa: PTH101, PTH116 - texts, and many
        self._looks[target] = look


def _files(target: str) -> Iterator[str]:
    with os.scandir(target) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path


def _look(target: Path) -> _Look:
    """Enough to see that somebody wrote to a copy."""
    try:
        files = sorted(_files(str(target))) if target.is_dir() else [str(target)]
        return [(file, status.st_size, status.st_mtime_ns) for file in files for status in [os.lstat(file)]]
    except FileNotFoundError:
        return []
