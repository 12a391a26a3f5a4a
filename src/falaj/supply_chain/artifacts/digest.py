"""Digests: the names of artifacts and blobs, always `sha256:` and 64 lower-case hexadecimal digits."""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from falaj.core.errors import UsageError

Digest = NewType("Digest", str)
"""`sha256:<64 hex>`: the name of an artifact (digest of its manifest) or of a blob (digest of its bytes)."""

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def parse_digest(text: str) -> Digest:
    """Check that a text is a digest.

    Args:
        text: What a user, a file or a request gave.

    Returns:
        The same text as a `Digest`.

    Raises:
        UsageError: `artifact.bad-digest` when it is anything else.
    """
    if not _PATTERN.fullmatch(text):
        raise UsageError(
            f"{text[:100]!r} is not an artifact digest",
            hint="a digest is 'sha256:' followed by 64 lower-case hexadecimal digits",
            code="artifact.bad-digest",
        )
    return Digest(text)


def digest_of(data: bytes) -> Digest:
    """Digest of some bytes."""
    return digest_from_hash(hashlib.sha256(data))


def digest_from_hash(hasher: hashlib._Hash) -> Digest:
    """Digest of everything fed to a SHA-256 hasher."""
    return Digest("sha256:" + hasher.hexdigest())


def shard_path(digest: Digest) -> str:
    """Where a digest lives below its folder: `ab/cdef...`, 256 folders that stay small enough to list."""
    return f"{digest[7:9]}/{digest[9:]}"


def digest_from_shard(path: str) -> Digest | None:
    """The digest that `shard_path` turned into this path; None for any other path."""
    text = "sha256:" + path.replace("/", "", 1)
    return Digest(text) if path[2:3] == "/" and _PATTERN.fullmatch(text) else None
