"""Mirrors: a bare copy of a remote in this installation, with the commits that runs need kept for good."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falaj.core.egress import OWN_MACHINE, EgressRules, Resolver
from falaj.core.egress import resolve as look_up
from falaj.integrations.git.command import git
from falaj.integrations.git.errors import GitInputError, GitMissingError, GitUnavailableError
from falaj.integrations.git.pinning import settings_of
from falaj.integrations.git.ref_validation import branch_ref, is_zero, redact, require_commit, require_url

FETCH_TIMEOUT_S = 600.0
_PERSON = re.compile(r"^[^<\n]*<(?P<address>[^<>\n]+)>", re.MULTILINE)
_ANONYMOUS = ("credential.helper=", "http.extraHeader=")
_HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


@dataclass(frozen=True)
class Author:
    """Who wrote a commit.

    Args:
        name: As in the commit.
        email: As in the commit; not verified by anyone.
        at: Unix time in seconds at which it was written.
    """

    name: str
    email: str
    at: int

    def __str__(self) -> str:
        """`Name <address>`."""
        return f"{self.name} <{self.email}>"


def mirror(
    url: str,
    cache_dir: Path,
    *,
    rules: EgressRules = OWN_MACHINE,
    resolver: Resolver = look_up,
    timeout_s: float = FETCH_TIMEOUT_S,
    anonymous: bool = False,
) -> Path:
    """Bring the mirror of a remote up to date, making it the first time.

    Branches that were deleted there are deleted here; pinned commits stay. Processes that mirror the same URL wait
    for each other.

    Args:
        url: Any URL that `require_url` accepts.
        cache_dir: Where mirrors live, one folder a URL.
        rules: What the platform connects to.
        resolver: Finds addresses.
        timeout_s: Seconds for the transfer.
        anonymous: Whether to fetch without credentials.

    Returns:
        Path of the bare repository.

    Raises:
        ForbiddenAddressError: The host leads where the platform does not connect to.
        GitInputError: `git.url`.
        GitUnavailableError: The remote did not answer; the mirror is as it was.
    """
    repository = cache_dir / f"{hashlib.sha256(require_url(url).encode()).hexdigest()[:20]}.git"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _locked(repository.with_suffix(".lock")):
        if not (repository / "HEAD").exists():
            git("init", "--quiet", "--bare", "--end-of-options", str(repository))
        git(
            *("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--force"),
            *("--end-of-options", url, *_HEADS_AND_TAGS),
            cwd=repository,
            timeout_s=timeout_s,
            settings=(*settings_of(url, rules, resolver), *(_ANONYMOUS if anonymous else ())),
        )
    return repository


def resolve(repository: Path, ref: str) -> str:
    """Return the commit that a branch, tag or full commit id of a local repository stands for.

    Args:
        repository: A bare repository or a checkout.
        ref: `main`, `refs/tags/v1`, or a full commit id.

    Raises:
        GitInputError: The ref is not one.
        GitMissingError: `git.no-branch` or `git.no-commit`: deleted, never pushed, or not a commit.
    """
    is_id = len(ref) in (40, 64) and not ref.strip("0123456789abcdef")
    name = require_commit(ref) if is_id else branch_ref(ref)
    if is_id and is_zero(name):
        raise GitMissingError(
            "the branch was deleted; there is no commit to build", where=str(repository), code="git.no-commit"
        )
    try:
        return git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}", cwd=repository).split(
            "\n"
        )[-1]
    except GitUnavailableError as error:
        if error.code != "git.failed":
            raise
        kind, code = ("commit", "git.no-commit") if is_id else ("branch", "git.no-branch")
        raise GitMissingError(
            f"the {kind} {ref} does not exist here",
            where=redact(str(repository)),
            hint=f"push it first: git push REMOTE {ref}",
            code=code,
        ) from error


def pin(repository: Path, commit: str) -> str:
    """Keep a commit although every branch may leave it, so that a run can be repeated after a force-push.

    Returns:
        The commit.

    Raises:
        GitMissingError: `git.no-commit`.
    """
    commit_id = resolve(repository, require_commit(commit))
    git("update-ref", f"refs/falaj/pinned/{commit_id}", commit_id, cwd=repository)
    return commit_id


def author(repository: Path, commit: str) -> Author:
    """Return who wrote a commit.

    Raises:
        GitMissingError: `git.no-commit`.
    """
    commit_id = resolve(repository, require_commit(commit))
    shown = git(
        "show",
        "--no-patch",
        "--no-notes",
        "--no-show-signature",
        "--format=%an%x00%ae%x00%at",
        commit_id,
        "--",
        cwd=repository,
    )
    name, email, at = shown.split("\0")
    return Author(name, email, int(at))


def contributors(repository: Path, commit: str, since: str = "") -> tuple[str, ...]:
    """Everyone who wrote or committed what came after another commit, co-authors of trailers with them.

    Args:
        repository: A bare repository or a checkout.
        commit: The last commit.
        since: Commits that this one holds do not count; empty for all, as when it is not there any more.

    Returns:
        `Name <address>`, each address once, sorted.

    Raises:
        GitMissingError: `git.no-commit`.
    """
    commit_id = resolve(repository, require_commit(commit))
    form = "--format=%an <%ae>%n%cn <%ce>%n%(trailers:key=Co-authored-by,valueonly=true,unfold=true)"
    shown = git(
        *("log", "--no-notes", "--no-show-signature", "--no-mailmap", form),
        *_range(repository, commit_id, since),
        "--",
        cwd=repository,
    )
    people = {match["address"].casefold(): match[0].strip() for match in _PERSON.finditer(shown)}
    return tuple(sorted(people.values()))


def _range(repository: Path, commit: str, since: str) -> tuple[str, ...]:
    """The commits after one that is there; all where it was rewritten away, since nobody knows then what is new."""
    if not since:
        return (commit,)
    try:
        return (commit, f"^{resolve(repository, require_commit(since))}")
    except (GitMissingError, GitInputError):
        return (commit,)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
