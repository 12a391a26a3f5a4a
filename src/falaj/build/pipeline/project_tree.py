"""The files of a project that travel with an order: what its step may read, and what makes its environment."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from falaj.core.venv.environment import environment_files

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_IN_PROJECT = "file://"


def may_be_read(source: str, files: tuple[str, ...] | None) -> bool:
    """Whether a source lies in the project where a step may read it, whatever its inputs are (pure).

    Args:
        source: Its URL.
        files: What the step may read of the project; None for all of it.
    """
    path = source.removeprefix(_IN_PROJECT)
    if not source.startswith(_IN_PROJECT) or path.startswith("/"):
        return False
    below = PurePosixPath(path.partition("?")[0])
    return files is None or any(PurePosixPath(each).is_relative_to(below) for each in files)


def stored_tree(store: ArtifactStore, worktree: Path, files: tuple[str, ...] | None, scratch: Path) -> str:
    """Store the part of a project that a step needs; return its digest.

    Args:
        store: Where it goes.
        worktree: The project's files.
        files: What the step may read of them; None for all of it.
        scratch: A folder that is made and removed.
    """
    if files is None:
        return store.put(worktree).digest
    try:
        for path in {*files, *(each.relative_to(worktree).as_posix() for each in environment_files(worktree))}:
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(worktree / path, target)
        scratch.mkdir(parents=True, exist_ok=True)
        return store.put(scratch).digest
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
