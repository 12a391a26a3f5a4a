"""Taking files into the store: hash, then copy only what the store does not hold."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.backend import CHUNK, BlobBackend
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash, digest_of
from falaj.supply_chain.artifacts.errors import ArtifactChangedError, ArtifactUnsupportedError
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest, tree_manifest
from falaj.supply_chain.artifacts.parallel import each
from falaj.supply_chain.artifacts.reading import blob_key
from falaj.supply_chain.artifacts.scan import ScanMatch, scan
from falaj.supply_chain.artifacts.stat_cache import Signature, StatCache, signature


class BlobWriter:
    """Stores blobs and describes what was put.

    A file is read twice when it is new: once for its name, once to copy it. The copy is hashed again, so a blob can
    never be stored under a digest that is not its own, whoever writes to the source meanwhile.

    Args:
        backend: Where blobs go.
        stat_cache: Memory of hashed files, if there is one.
    """

    def __init__(self, backend: BlobBackend, stat_cache: StatCache | None) -> None:
        self._backend = backend
        self._stat_cache = stat_cache

    def bytes(self, data: bytes) -> Digest:
        """Store bytes as a blob."""
        blob = digest_of(data)
        if self._backend.renew(blob_key(blob)) != len(data):
            self._backend.write(blob_key(blob), [data], len(data))
        return blob

    def path(self, path: Path) -> Manifest:
        """Store the blobs of a file or folder and describe it; see `ArtifactStore.put`."""
        try:
            scan_matches = list(scan(path))
        except FileNotFoundError as error:
            raise UsageError(
                "there is no such file or folder", where=str(path), code="artifact.no-such-path"
            ) from error
        source = os.path.abspath(path)  # noqa: PTH100 - by another name it is only hashed once more
        cached_digests, started = self._recall(source)
        files = [item for item in scan_matches if not item.is_directory]
        blobs = each(self._backend.workers, lambda item: self._file(item, cached_digests), files)
        self._remember(source, cached_digests, dict(zip(map(_signature, files), blobs, strict=True)), started)
        entries = [_entry(item, blob) for item, blob in zip(files, blobs, strict=True)]
        if entries and not entries[0].path:
            return Manifest("file", tuple(entries))
        return tree_manifest(entries, [item.path for item in scan_matches if item.is_directory and item.path])

    def _file(self, item: ScanMatch, cached_digests: dict[Signature, Digest]) -> Digest:
        blob = cached_digests.get(_signature(item)) or _hash_file(item)
        if self._backend.renew(blob_key(blob)) != item.status.st_size:
            self._backend.write(blob_key(blob), _copy(item, blob), item.status.st_size)
        return blob

    def _recall(self, source: str) -> tuple[dict[Signature, Digest], float]:
        if self._stat_cache is None:
            return {}, 0.0
        return self._stat_cache.recall(source), self._stat_cache.now()

    def _remember(
        self, source: str, cached_digests: dict[Signature, Digest], digests: dict[Signature, Digest], started: float
    ) -> None:
        if self._stat_cache is not None and cached_digests != digests:
            self._stat_cache.remember(source, digests, started)


def _hash_file(item: ScanMatch) -> Digest:
    hasher = hashlib.sha256()
    for chunk in _read(item):
        hasher.update(chunk)
    return digest_from_hash(hasher)


def _copy(item: ScanMatch, blob: Digest) -> Iterator[bytes]:
    """The file's bytes; raises after the last one when they are not those that were hashed."""
    hasher = hashlib.sha256()
    for chunk in _read(item):
        hasher.update(chunk)
        yield chunk
    if digest_from_hash(hasher) != blob:
        raise _changed(item)


def _read(item: ScanMatch) -> Iterator[bytes]:
    try:
        with open(item.source, "rb", buffering=0) as file:  # noqa: PTH123 - `source` may be any bytes
            if signature(os.fstat(file.fileno())) != _signature(item):
                raise _changed(item)
            while chunk := file.read(CHUNK):
                yield chunk
            if signature(os.fstat(file.fileno())) != _signature(item):
                raise _changed(item)
    except PermissionError as error:
        raise ArtifactUnsupportedError("the file may not be read", where=item.source) from error
    except FileNotFoundError as error:
        raise _changed(item) from error


def _changed(item: ScanMatch) -> ArtifactChangedError:
    return ArtifactChangedError(
        "the file changed while it was being stored",
        where=item.source,
        hint="wait until nothing writes to it, then try again",
    )


def _signature(item: ScanMatch) -> Signature:
    return signature(item.status)


def _entry(item: ScanMatch, blob: Digest) -> FileEntry:
    executable = bool(item.status.st_mode & stat.S_IXUSR)
    return FileEntry(item.path, item.status.st_size, executable, blob)
