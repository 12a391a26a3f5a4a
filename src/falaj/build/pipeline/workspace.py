"""A clean folder with the files of one commit, and nothing of what lies about in anyone's checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from falaj.build.pipeline.errors import DiskFullError, WorkspaceError


@contextmanager
def workspace(repository: Path, commit: str, target: Path) -> Iterator[Path]:
    """The files of a commit in a folder that is removed at the end.

    Args:
        repository: A bare repository or a checkout; nothing in it is changed, not even its list of worktrees.
        commit: A commit id or another name of a commit.
        target: The folder to make; what an earlier, killed process left there is removed first.

    Yields:
        The folder.

    Raises:
        WorkspaceError: The repository has no such commit.
        DiskFullError: The files did not fit.
    """
    shutil.rmtree(target, ignore_errors=True)
    try:
        write_commit(repository, commit, target)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def write_commit(repository: Path, commit: str, target: Path) -> None:
    """Write the files of a commit into a new folder; see `workspace` for the arguments and errors."""
    full = resolve_commit(repository, commit)
    target.mkdir(parents=True)
    index = target.with_name(f"{target.name}.index")
    place = {"GIT_INDEX_FILE": str(index)}
    try:
        _git(repository, "read-tree", full, environ=place)
        _git(repository, "checkout-index", "--all", f"--prefix={target}/", environ=place)
    finally:
        index.unlink(missing_ok=True)


def resolve_commit(repository: Path, name: str) -> str:
    """The full id of a commit.

    Raises:
        WorkspaceError: There is no such repository or commit.
    """
    if not repository.is_dir():
        raise WorkspaceError("there is no repository", where=str(repository))
    if name.startswith("-"):
        raise WorkspaceError(f"`{name}` is not the name of a commit", where=str(repository))
    return _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", missing=name).strip()


def _git(repository: Path, *arguments: str, environ: Mapping[str, str] | None = None, missing: str = "") -> str:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    process = subprocess.run(
        ["git", "-C", str(repository), *_work_tree(repository), *arguments],
        env={**inherited, "LC_ALL": "C", **(environ or {})},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if process.returncode == 0:
        return process.stdout
    if "No space left on device" in process.stderr:
        raise DiskFullError(
            "the commit's files do not fit on the disk", where=(environ or {}).get("GIT_INDEX_FILE", "")
        )
    if missing and not process.stderr.strip():
        raise WorkspaceError(
            f"there is no commit `{missing}`", where=str(repository), hint="was its branch deleted or rewritten?"
        )
    raise WorkspaceError(f"git {arguments[0]}: {process.stderr.strip()[-500:]}", where=str(repository))


def _work_tree(repository: Path) -> list[str]:
    """A bare repository refuses to write files unless told where; `--prefix` then says the real place."""
    bare = not (repository / ".git").exists()
    return ["--git-dir=.", "--work-tree=."] if bare else []
