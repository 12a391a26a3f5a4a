"""What a commit only points to: submodules, and files of Git LFS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from falaj.config.source_files import is_lfs_pointer
from falaj.integrations.git.command import git
from falaj.integrations.git.errors import GitInputError, GitUnavailableError
from falaj.integrations.git.ref_validation import local_path, redact, remote_host, require_url

_ENTRY = re.compile(r"160000 commit (?P<commit>[0-9a-f]{40,64})\t(?P<path>.+)", re.DOTALL)


@dataclass(frozen=True)
class Submodule:
    """A repository inside a commit.

    Attributes:
        path: Where its files belong, relative to the worktree.
        commit: The one that the outer commit names.
        url: As `.gitmodules` has it; empty when it does not.
    """

    path: str
    commit: str
    url: str


def submodules(repository: Path, commit: str) -> tuple[Submodule, ...]:
    """The submodules of a commit, in the order of their paths.

    Args:
        repository: A bare repository or a checkout.
        commit: A full commit id.

    Raises:
        GitUnavailableError: The repository has no such commit.
    """
    entries = git("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit, cwd=repository).split("\0")
    matches = [match for entry in entries if (match := _ENTRY.fullmatch(entry))]
    urls = _urls(repository, commit) if matches else {}
    return tuple(Submodule(each["path"], each["commit"], urls.get(each["path"], "")) for each in matches)


def _urls(repository: Path, commit: str) -> dict[str, str]:
    """URL by path, as `.gitmodules` of the commit has them."""
    pattern = r"^submodule\..*\.(path|url)$"
    try:
        listed = git("config", "-z", f"--blob={commit}:.gitmodules", "--get-regexp", pattern, cwd=repository)
    except GitUnavailableError:  # there is none
        return {}
    values = dict(entry.split("\n", 1) for entry in listed.split("\0") if "\n" in entry)
    names = {key.removesuffix(".path"): path for key, path in values.items() if key.endswith(".path")}
    return {path: values.get(f"{name}.url", "") for name, path in names.items()}


def submodule_url(url: str, outer: str) -> tuple[str, bool]:
    """Where a submodule is fetched from, and whether with the credentials that the outer repository is fetched with.

    Whoever may push a commit chooses the URL. So a folder of this machine must lie beside the outer repository, and
    credentials go only to the host and namespace of the outer repository.

    Args:
        url: As `.gitmodules` has it; `./` and `../` are relative to the outer repository.
        outer: URL or path of the outer repository.

    Raises:
        GitInputError: It is no URL, or one that nobody allowed (`git.foreign-submodule`).
    """
    full = require_url(_absolute(url, outer) if url.startswith(("./", "../")) else url)
    folder, own = local_path(full), local_path(outer)
    if folder is not None:
        if own is None or folder.resolve().parent != own.resolve().parent:
            raise _foreign(full, "a folder of this machine must lie beside the project's repository")
        return full, True
    if _namespace(full) == _namespace(outer):
        return full, True
    if urlsplit(remote_host(full)).scheme not in ("http", "https"):
        raise _foreign(full, "another host or owner is read by https://, without credentials")
    return full, False


def _foreign(url: str, hint: str) -> GitInputError:
    message = "a submodule may not be fetched from there"
    return GitInputError(message, where=redact(url), hint=hint, code="git.foreign-submodule")


def _absolute(url: str, outer: str) -> str:
    base = outer.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            base = base.rpartition("/")[0]
        url = url.partition("/")[2]
    return f"{base}/{url}"


def _namespace(url: str) -> tuple[str, str]:
    """Host and first part of the path."""
    if "://" not in url and ":" in url:
        host, _, path = url.partition(":")
        return host.rpartition("@")[2].lower(), path.strip("/").partition("/")[0]
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.path.strip("/").partition("/")[0]


def lfs_pointers(worktree: Path) -> Iterator[str]:
    """Files that hold a pointer of Git LFS in place of their content, by path relative to the worktree."""
    attributes = (path.read_text(errors="replace") for path in worktree.rglob(".gitattributes") if path.is_file())
    if not any("filter=lfs" in text for text in attributes):
        return
    for path in sorted(worktree.rglob("*")):
        if path.is_file() and not path.is_symlink() and is_lfs_pointer(path):
            yield path.relative_to(worktree).as_posix()
