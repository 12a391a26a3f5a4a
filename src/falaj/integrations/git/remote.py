"""Bare repositories of this installation, and the hook that announces pushes to them or to any other."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from falaj.core.errors import ConflictError
from falaj.core.home import Home
from falaj.integrations.git import post_receive
from falaj.integrations.git.command import git
from falaj.integrations.git.errors import GitInputError, GitMissingError, GitUnavailableError
from falaj.integrations.git.ref_validation import local_path, require_name

SCRIPT_NAME = "falaj-post-receive.py"
_MARK = "# Written by falaj."


def remote_path(home: Home, name: str) -> Path:
    """Where the bare repository of a project is, or will be.

    Raises:
        GitInputError: `git.name`.
    """
    return home.repos / f"{require_name(name)}.git"


def create_remote(home: Home, name: str) -> Path:
    """Make a bare repository that announces pushes, or bring the hook of an existing one up to date.

    Args:
        home: The installation; the repository is `<home>/repos/<name>.git`.
        name: Name of the project.

    Returns:
        Absolute path, usable as the URL of a git remote.

    Raises:
        GitInputError: `git.name`.
        GitUnavailableError: Git could not make it.
    """
    repository = remote_path(home, name)
    if not (repository / "HEAD").exists():
        home.repos.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--initial-branch=main", "--end-of-options", str(repository))
        git("config", "transfer.hideRefs", "refs/falaj", cwd=repository)
        # A user's global core.hooksPath would silence the hook.
        git("config", "core.hooksPath", str(repository / "hooks"), cwd=repository)
    install_hook(home, repository, name)
    return repository


def is_foreign(home: Home, name: str, repository: str) -> bool:
    """Whether a repository lies in the installation's folder and is not the one of that project.

    Args:
        home: The installation.
        name: Of the project.
        repository: Its URL or path, symbolic links included.
    """
    folder = local_path(repository)
    if folder is None:
        return False
    inside = folder.resolve().is_relative_to(home.root.resolve())
    return inside and folder.resolve() != (home.repos / f"{name}.git").resolve()


def require_own(home: Home, name: str, repository: str) -> None:
    """Refuse a project that names a folder of the installation other than its own bare repository.

    Raises:
        GitInputError: `git.foreign-repository`.
    """
    if is_foreign(home, name, repository):
        raise GitInputError(
            f"project '{name}' may not build another project's repository",
            hint=f"falaj project add {name} makes its own",
            code="git.foreign-repository",
        )


def install_hook(home: Home, repository: Path, project: str) -> Path:
    """Make a repository announce its pushes to this installation.

    Args:
        home: The installation.
        repository: A bare repository, or a checkout that is pushed to.
        project: Name of the project.

    Returns:
        Path of the hook.

    Raises:
        GitMissingError: `git.no-repository`.
        ConflictError: `git.foreign-hook`, when there is a hook already that Falaj did not write; it is left as it is.
    """
    folder = require_hookable(repository)
    hook, script = folder / "hooks" / "post-receive", folder / "hooks" / SCRIPT_NAME
    hook.parent.mkdir(exist_ok=True)
    _write(folder / "falaj.json", json.dumps({"home": str(home.root), "project": project}), 0o644)
    _write(script, Path(post_receive.__file__).read_text(), 0o644)
    _write(hook, f"#!/bin/sh\n{_MARK}\n{hook_line(script)}\n", 0o755)
    return hook


def require_hookable(repository: Path) -> Path:
    """The git folder of a repository whose hook is none, or ours.

    Raises:
        GitMissingError: `git.no-repository`.
        ConflictError: `git.foreign-hook`.
    """
    folder = _git_folder(repository)
    hook = folder / "hooks" / "post-receive"
    if hook.exists() and _MARK not in hook.read_text(errors="replace"):
        raise ConflictError(
            "the repository has a post-receive hook already",
            where=str(hook),
            hint=f"make it end with: {hook_line(folder / 'hooks' / SCRIPT_NAME)}",
            code="git.foreign-hook",
        )
    return folder


def hook_line(script: Path) -> str:
    """Return the shell line that runs the hook with this Python, or another when it is gone, and always succeeds."""
    python, path = shlex.quote(sys.executable), shlex.quote(str(script))
    return f"if [ -x {python} ]; then {python} -I {path}; else python3 -I {path}; fi || true"


def _git_folder(repository: Path) -> Path:
    try:
        shown = git("rev-parse", "--absolute-git-dir", cwd=repository)
    except GitUnavailableError as error:
        if error.code == "git.not-installed":
            raise
        raise GitMissingError(
            "this is not a git repository", where=str(repository), code="git.no-repository"
        ) from error
    return Path(shown)


def _write(path: Path, text: str, mode: int) -> None:
    """Replace a file at once: a push may be running the old one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)
