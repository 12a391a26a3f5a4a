"""Opening a store by its URL."""

from __future__ import annotations

import os
import time
from pathlib import Path

from falaj.artifacts.backend import Backend
from falaj.artifacts.local import LocalBackend
from falaj.artifacts.seen import SeenFiles
from falaj.artifacts.store import ArtifactStore
from falaj.errors import MissingExtraError, UsageError


def open_store(url: str) -> ArtifactStore:
    """Open a store; a folder is made when it does not exist, a bucket must exist.

    Args:
        url: `/folder`, `file:///folder` or `s3://bucket/prefix?endpoint=http://host:port&region=name`; credentials
            for S3 come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and the other usual variables.

    Raises:
        UsageError: `artifact.bad-url`.
        MissingExtraError: S3 is asked for and `falaj[s3]` is not installed.
    """
    backend = open_backend(url)
    if isinstance(backend, LocalBackend):
        return ArtifactStore(backend, seen=SeenFiles(backend.root / "seen", time.time))
    return ArtifactStore(backend)


def open_backend(url: str) -> Backend:
    """Open the place where a store keeps its bytes; see `open_store`."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalBackend(Path(os.path.realpath(url)))
    if scheme == "file" and rest.startswith("/"):
        from urllib.parse import unquote

        return LocalBackend(Path(os.path.realpath(unquote(rest))))
    if scheme == "s3":
        return _open_bucket(url)
    raise UsageError(
        f"{url!r} is not the address of an artifact store",
        hint="use a folder, file:///folder or s3://bucket/prefix?endpoint=...",
        code="artifact.bad-url",
    )


def _open_bucket(url: str) -> Backend:
    try:
        from falaj.artifacts.s3 import connect
    except ModuleNotFoundError as error:
        raise MissingExtraError("s3", "an artifact store in S3") from error
    return connect(url)
