"""The clean worktree of a run's commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from falaj.build.pipeline.workspace import workspace
from falaj.control.notary.commit import FILE, CommitProof
from falaj.control.runs.contract import RunSpec
from falaj.control.runs.repository_parts import complete
from falaj.core.egress import OWN_MACHINE, EgressRules
from falaj.core.home import Home
from falaj.integrations.git import author, contributors, mirror, pin, require_own
from falaj.integrations.git.command import environment


@contextmanager
def checked_out(
    order: RunSpec,
    home: Home,
    since_of: Callable[[Path], str] = lambda _worktree: "",
    rules: EgressRules = OWN_MACHINE,
) -> Iterator[tuple[RunSpec, Path]]:
    """The files of the order's commit in a clean folder, and the order with who wrote it.

    A repository elsewhere is mirrored first; only the mirror is read.

    Args:
        order: What to run.
        home: The installation.
        since_of: Gives the commit of the release before, of the model that a project file names; empty for none.
        rules: What the platform connects to.

    Raises:
        ForbiddenAddressError: The repository is where the platform does not connect to.
        GitInputError: The repository is another project's (`git.foreign-repository`).
        WorkspaceError: The repository has no such commit.
        GitError: The repository cannot be reached.
    """
    require_own(home, order.project, order.repository)
    repository = _local(order.repository, home, rules)
    with workspace(repository, order.commit, home.run_dir(order.run_id) / "worktree") as worktree:
        if repository.is_relative_to(home.repos):
            pin(repository, order.commit)
        author_name = author(repository, order.commit)
        since = since_of(worktree)
        people = contributors(repository, order.commit, since)
        missing = complete(worktree, repository, order.commit, order.repository, home, rules)
        order = replace(order, author=str(author_name), contributors=people, since=since, missing=missing)
        yield replace(order, proof=proof_of(repository, order.commit)), worktree


def proof_of(repository: Path, commit: str) -> CommitProof | None:
    """What leads from a commit's id to its project file; None where it has none."""
    names = {"commit": commit, "tree": f"{commit}^{{tree}}", "blob": f"{commit}:{FILE}"}
    try:
        objects = {kind: _object(repository, kind, name) for kind, name in names.items()}
    except subprocess.CalledProcessError:
        return None
    return CommitProof(objects["commit"], objects["tree"], objects["blob"])


def _object(repository: Path, kind: str, name: str) -> bytes:
    command = ["git", "-C", str(repository), "cat-file", kind, name]
    return subprocess.run(command, env=environment(os.environ), capture_output=True, check=True).stdout


def _local(repository: str, home: Home, rules: EgressRules) -> Path:
    """A repository on this machine that has the commits; those of the installation's own are mirrored nowhere."""
    path = Path(repository)
    if path.is_absolute() and path.is_dir():
        return path
    return mirror(repository, home.repos / "mirrors", rules=rules)
