"""Which refs, commits, repository names and URLs are accepted, before git ever sees them (pure)."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from falaj.integrations.git.errors import GitInputError

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^-\s\x00][^\s\x00]*")
# What `git check-ref-format` refuses anywhere in a ref.
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")
_SCHEMES = frozenset({"https", "http", "ssh", "file"})
_AUTHORITY = re.compile(
    r"([^@/\\?#\s]*@)?([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
)
"""What every reader of URLs takes for the same host: no escapes, no trailing dot, one `@`."""


def require_ref(ref: str) -> str:
    """Return a full ref below `refs/`, as `git check-ref-format` would accept it.

    Raises:
        GitInputError: `git.ref`.
    """
    bad = not ref.startswith("refs/") or ref.endswith(("/", ".")) or len(ref.encode(errors="replace")) > 1024
    if bad or _BAD_IN_REF.search(ref) or not _is_text(ref):
        raise GitInputError(f"{ref!r} is not a ref", hint="for example refs/heads/main", code="git.ref")
    return ref


def branch_ref(branch: str) -> str:
    """Return the ref of a branch given by its short or full name.

    Raises:
        GitInputError: `git.ref`.
    """
    return require_ref(branch if branch.startswith("refs/") else f"refs/heads/{branch}")


def require_commit(text: str) -> str:
    """Return a full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.

    Raises:
        GitInputError: `git.commit`.
    """
    if not _COMMIT.fullmatch(text):
        raise GitInputError(f"{text!r} is not a full commit id", hint="40 or 64 hex digits", code="git.commit")
    return text


def is_zero(commit: str) -> bool:
    """Tell whether this is the id that stands for `no commit`: before a creation, after a deletion."""
    return commit.strip("0") == ""


def require_name(name: str) -> str:
    """Return the name of a repository of this installation; it becomes a folder.

    Raises:
        GitInputError: `git.name`.
    """
    if not _NAME.fullmatch(name) or ".." in name or name.endswith((".git", ".lock")):
        raise GitInputError(
            f"{name!r} is not a repository name", hint="lower-case letters, digits, `-`, `.` and `_`", code="git.name"
        )
    return name


def require_url(url: str) -> str:
    """Return the URL of a repository: https, http, ssh, file, `user@host:path` or an absolute path.

    Everything else is refused, above all `ext::` and other transports that run a command, and what git would read as
    an option.

    Raises:
        GitInputError: `git.url`.
    """
    if _is_text(url) and not re.search(r"[\x00-\x1f\x7f]", url) and (_is_plain(url) or _SCP.fullmatch(url)):
        return url
    raise GitInputError(
        f"{redact(url)!r} is not the URL of a repository",
        hint="https://, ssh://, file://, user@host:path or an absolute path",
        code="git.url",
    )


def local_path(url: str) -> Path | None:
    """The folder on this machine that the URL of a repository names; None for a repository elsewhere."""
    if url.startswith("file:"):
        return Path(unquote(urlsplit(url).path))
    return Path(url) if url.startswith("/") else None


def remote_host(url: str) -> str:
    """The URL of a repository elsewhere as `ssh://` or `http(s)://`; empty for a folder of this machine."""
    if local_path(url) is not None:
        return ""
    if "://" in url:
        return url
    return f"ssh://{url.partition(':')[0]}"


def redact(url: str) -> str:
    """Return the URL without its user and password, fit for errors and logs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable URL"
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _is_plain(url: str) -> bool:
    if url.startswith("/"):
        return "::" not in url
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "file":
        return parts.netloc in ("", "localhost") and parts.path.startswith("/")
    return (
        parts.scheme in _SCHEMES
        and bool(host)
        and _AUTHORITY.fullmatch(parts.netloc) is not None
        and not (parts.username or "").startswith("-")
    )


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
