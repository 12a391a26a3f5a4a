"""Getting the bytes of a release to this location: from a store, or through the server. Nothing fetched is believed."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Protocol

import httpx

from falaj.dataplane.errors import LocationError, NotAdmittedError
from falaj.supply_chain.artifacts.digest import Digest, digest_of
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest, decode_manifest


class Fetcher(Protocol):
    """A way to get an artifact."""

    def fetch(self, digest: Digest, target: Path) -> Path:
        """Make the folder `target` with the content of an artifact; it appears complete or not at all."""
        ...


class HttpFetcher:
    """Fetches through the server's API.

    Args:
        http: Client with base URL and authorisation.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def fetch(self, digest: Digest, target: Path) -> Path:
        """Make the folder `target`; see `Fetcher`.

        Raises:
            NotAdmittedError: The bytes are not those of the digest.
            LocationError: The server cannot be reached, or has no such artifact.
        """
        manifest = self._manifest(digest)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            self._write(digest, manifest, partial)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return target

    def _manifest(self, digest: Digest) -> Manifest:
        data = self._get(f"/api/v1/artifacts/{digest}/manifest").content
        if digest_of(data) != digest:
            raise NotAdmittedError("the server sent another manifest than was asked for", where=digest)
        try:
            return decode_manifest(data)
        except ValueError as error:
            raise NotAdmittedError(f"the manifest cannot be read: {error}", where=digest) from error

    def _write(self, digest: Digest, manifest: Manifest, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in manifest.directories:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for entry in manifest.files:
            self._write_file(digest, entry, folder / entry.path)

    def _write_file(self, digest: Digest, entry: FileEntry, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        url = f"/api/v1/artifacts/{digest}/files/{entry.path}"
        try:
            with self._http.stream("GET", url) as answer, path.open("wb") as file:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except httpx.HTTPError as error:
            raise LocationError(f"cannot fetch {entry.path}: {error}", where=digest) from error
        path.chmod(0o755 if entry.executable else 0o644)

    def _get(self, url: str) -> httpx.Response:
        try:
            return self._http.get(url).raise_for_status()
        except httpx.HTTPError as error:
            raise LocationError(f"cannot fetch: {error}", where=url) from error
