"""Opening a store by its URL."""

from __future__ import annotations

import os
from pathlib import Path

from falaj.artifacts.local import LocalBackend
from falaj.artifacts.seen import SeenFiles
from falaj.artifacts.store import ArtifactStore
from falaj.errors import UsageError


def open_store(url: str) -> ArtifactStore:
    """Open a store; a folder is made when it does not exist, a bucket must exist.

    Args:
        url: `/folder`, `file:///folder` or `s3://bucket/prefix?endpoint=http://host:port&region=name`; credentials
            for S3 come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and the other usual variables.

    Raises:
        UsageError: `artifact.bad-url`.
        MissingExtraError: S3 is asked for and `falaj[s3]` is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _open_folder(url)
    if scheme == "file" and rest.startswith("/"):
        from urllib.parse import unquote

        return _open_folder(unquote(rest))
    if scheme == "s3":
        from falaj.artifacts.s3 import connect

        return ArtifactStore(connect(url))
    raise UsageError(
        f"{url!r} is not the address of an artifact store",
        hint="use a folder, file:///folder or s3://bucket/prefix?endpoint=...",
        code="artifact.bad-url",
    )


def _open_folder(folder: str) -> ArtifactStore:
    import time

    root = Path(os.path.realpath(folder))
    return ArtifactStore(LocalBackend(root), seen=SeenFiles(root / "seen", time.time))
