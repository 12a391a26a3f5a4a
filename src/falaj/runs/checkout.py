"""The clean worktree of a run's commit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from falaj.home import Home
from falaj.pipeline.workspace import workspace
from falaj.runs.outcome import Order


@contextmanager
def checked_out(order: Order, home: Home) -> Iterator[tuple[Order, Path]]:
    """The files of the order's commit in a clean folder, and the order with the commit's author.

    A repository elsewhere is mirrored first; only the mirror is read.

    Raises:
        WorkspaceError: The repository has no such commit.
        GitError: The repository cannot be reached.
    """
    repository = _local(order.repository, home)
    with workspace(repository, order.commit, home.run_dir(order.run_id) / "worktree") as worktree:
        yield replace(order, author=author_of(repository, order.commit)), worktree


def author_of(repository: Path, commit: str) -> str:
    """Author of a commit, `Name <address>`; empty when git cannot tell."""
    command = ["git", "-C", str(repository), "show", "--no-patch", "--format=%an <%ae>", commit, "--"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout.strip()


def _local(repository: str, home: Home) -> Path:
    path = Path(repository)
    if path.is_absolute() and path.is_dir():
        return path
    from falaj.integrations.git import mirror

    return mirror(repository, home.repos / "mirrors")
