"""Names of refs, and the keys that keep them (pure).

A ref `a` and a ref `a/b` may both exist although a folder and a file cannot share a name: a key ends in `~`, which no
name contains.
"""

from __future__ import annotations

import re

from falaj.core.errors import UsageError

_SEGMENT = re.compile(r"[A-Za-z0-9_@:+-][A-Za-z0-9._@:+-]{0,199}")


def key(name: str) -> str:
    """Back-end key of a ref.

    Raises:
        UsageError: `artifact.bad-ref`: an empty segment, one that starts with a dot, or a character outside
            `A-Za-z0-9._@:+-`.
    """
    if not all(_SEGMENT.fullmatch(segment) for segment in name.split("/")):
        raise UsageError(
            f"{name[:100]!r} cannot name a ref",
            hint="use segments of letters, digits and ._@:+- separated by '/'",
            code="artifact.bad-ref",
        )
    return f"refs/{name}~"


def name(key: str) -> str | None:
    """The ref that a key keeps; None for a file that is none."""
    return key.removeprefix("refs/")[:-1] if key.endswith("~") else None


def folder(prefix: str) -> str:
    """The folder that holds every ref whose name starts with a text."""
    above, separator, _ = prefix.rpartition("/")
    return f"refs/{above}" if separator else "refs"
