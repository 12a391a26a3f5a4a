"""Brings what a commit only points to into its worktree, where the project says so, and names what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from falaj.build.pipeline.workspace import write_commit
from falaj.config.errors import ProjectError
from falaj.config.loading import FILE_NAME
from falaj.config.yaml_reader import read_document
from falaj.core.egress import OWN_MACHINE, EgressRules
from falaj.core.home import Home
from falaj.integrations.git import lfs_pointers, mirror, pin, require_own, submodule_url, submodules
from falaj.integrations.git.command import git
from falaj.integrations.git.errors import GitInputError, GitUnavailableError

_DEEPEST = 5


def complete(
    worktree: Path, repository: Path, commit: str, url: str, home: Home, rules: EgressRules = OWN_MACHINE
) -> tuple[str, ...]:
    """Fetch what the project file asks for.

    Args:
        worktree: The commit's files.
        repository: A repository of this machine that has the commit.
        commit: Full id.
        url: Where the repository comes from; relative URLs of submodules begin there.
        home: Mirrors are kept in it.
        rules: What the platform connects to.

    Returns:
        What is missing, a sentence each.

    Raises:
        GitInputError: A submodule has a URL that nobody allowed.
        GitUnavailableError: A submodule cannot be fetched.
        WorkspaceError: A submodule's repository does not have the commit.
    """
    needs_submodules = _asks_for_submodules(worktree)
    missing = [*_submodules(worktree, repository, commit, url, home, rules)] if needs_submodules else []
    if not needs_submodules:
        missing += [absent_submodule(each.path) for each in submodules(repository, commit)]
    return (*missing, *map(absent_content, lfs_pointers(worktree)))


def missing_here(worktree: Path) -> tuple[str, ...]:
    """What is missing in a person's own checkout, where nothing is fetched."""
    try:
        listed = submodules(worktree, git("rev-parse", "HEAD", cwd=worktree))
    except GitUnavailableError:  # no repository, or one without a commit
        listed = ()
    empty = [each.path for each in listed if not any((worktree / each.path).glob("*"))]
    fetched = "`git submodule update --init` fetches it"
    return tuple(f"{path} is a submodule that is not fetched: {fetched}" for path in empty)


def absent_submodule(path: str) -> str:
    """The sentence about a submodule that is not there."""
    line = "`repository: {submodules: true}` in falaj.yaml fetches it"
    return f"{path} is a submodule that is not fetched: {line}"


def absent_content(path: str) -> str:
    """The sentence about a file whose content is not there."""
    return (
        f"{path} is a pointer of Git LFS whose content is not fetched: keep it in git, or in a bucket as a data source"
    )


def _asks_for_submodules(worktree: Path) -> bool:
    """What the project file says, even where the rest of it is wrong because something is missing."""
    try:
        value = read_document((worktree / FILE_NAME).read_bytes(), FILE_NAME).value
    except (ProjectError, OSError):
        return False  # the run itself will say it
    options = value.get("repository") if isinstance(value, dict) else None
    return isinstance(options, dict) and options.get("submodules") is True


def _submodules(
    worktree: Path, repository: Path, commit: str, url: str, home: Home, rules: EgressRules, depth: int = 0
) -> Iterator[str]:
    for each in submodules(repository, commit):
        if not each.url or depth >= _DEEPEST:
            yield (
                f"{each.path} is a submodule that .gitmodules has no URL of"
                if not each.url
                else absent_submodule(each.path)
            )
            continue
        place, trusted = submodule_url(each.url, url)
        require_own(home, "", place)
        source = mirror(place, home.repos / "mirrors", rules=rules, anonymous=not trusted)
        target = worktree / each.path
        if target.is_symlink() or not target.resolve().is_relative_to(worktree.resolve()):
            raise GitInputError("a submodule leads out of the project", where=each.path, code="git.foreign-submodule")
        if target.is_dir():
            target.rmdir()
        write_commit(source, each.commit, target)
        pin(source, each.commit)
        yield from _submodules(target, source, each.commit, place, home, rules, depth + 1)
