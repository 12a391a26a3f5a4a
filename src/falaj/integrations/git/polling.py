"""Asking a remote which commit a branch is at, for hosts that cannot send webhooks."""

from __future__ import annotations

import difflib

from falaj.core.egress import OWN_MACHINE, EgressRules, Resolver, resolve
from falaj.integrations.git.command import git
from falaj.integrations.git.errors import GitMissingError
from falaj.integrations.git.pinning import settings_of
from falaj.integrations.git.ref_validation import branch_ref, redact, require_commit, require_url

TIMEOUT_S = 30.0


def poll(
    url: str,
    branch: str,
    *,
    rules: EgressRules = OWN_MACHINE,
    resolver: Resolver = resolve,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Return the commit that a branch of a remote is at.

    Args:
        url: Any URL that `require_url` accepts.
        branch: `main`, or a full ref such as `refs/tags/v1`; of an annotated tag, the commit that it names.
        rules: What the platform connects to.
        resolver: Finds addresses.
        timeout_s: Seconds for the whole exchange.

    Raises:
        ForbiddenAddressError: The host leads where the platform does not connect to.
        GitInputError: The URL or branch is not one.
        GitMissingError: `git.no-branch`; the hint names the nearest that exists.
        GitUnavailableError: The remote did not answer.
    """
    ref = branch_ref(branch)
    pinned = settings_of(require_url(url), rules, resolver)
    refs = list_refs(url, ref, f"{ref}^{{}}", timeout_s=timeout_s, settings=pinned)
    commit = refs.get(f"{ref}^{{}}") or refs.get(ref)
    if commit is None:
        raise _no_branch(url, ref, timeout_s, pinned)
    return require_commit(commit)


def list_refs(url: str, *patterns: str, timeout_s: float = TIMEOUT_S, settings: tuple[str, ...] = ()) -> dict[str, str]:
    """Return commit by ref, of all refs or of those that match."""
    arguments = ("ls-remote", "--quiet", "--end-of-options", require_url(url), *patterns)
    output = git(*arguments, timeout_s=timeout_s, settings=settings)
    lines = (line.partition("\t") for line in output.splitlines())
    return {ref: commit for commit, _, ref in lines}


def _no_branch(url: str, ref: str, timeout_s: float, settings: tuple[str, ...]) -> GitMissingError:
    prefix = "/".join(ref.split("/")[:2]) + "/"
    others = [
        name
        for name in list_refs(url, f"{prefix}*", timeout_s=timeout_s, settings=settings)
        if not name.endswith("^{}")
    ]
    near = difflib.get_close_matches(ref, others, n=1) or others[:1]
    hint = f"there is {near[0].removeprefix('refs/heads/')}" if near else "nothing was pushed yet"
    return GitMissingError(
        f"the branch {ref.removeprefix('refs/heads/')} does not exist",
        where=redact(url),
        hint=hint,
        code="git.no-branch",
    )
