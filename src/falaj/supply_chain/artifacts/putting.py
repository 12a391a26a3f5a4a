"""Taking files into the store: hash, then copy only what the store does not hold."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.backend import CHUNK, Backend
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash, digest_of
from falaj.supply_chain.artifacts.errors import ArtifactChangedError, ArtifactUnsupportedError
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest, tree_manifest
from falaj.supply_chain.artifacts.parallel import each
from falaj.supply_chain.artifacts.reading import blob_key
from falaj.supply_chain.artifacts.scan import Found, scan
from falaj.supply_chain.artifacts.seen import SeenFiles, Signature, signature


class Intake:
    """Stores blobs and describes what was put.

    A file is read twice when it is new: once for its name, once to copy it. The copy is hashed again, so a blob can
    never be stored under a digest that is not its own, whoever writes to the source meanwhile.

    Args:
        backend: Where blobs go.
        seen: Memory of hashed files, if there is one.
    """

    def __init__(self, backend: Backend, seen: SeenFiles | None) -> None:
        self._backend = backend
        self._seen = seen

    def bytes(self, data: bytes) -> Digest:
        """Store bytes as a blob."""
        blob = digest_of(data)
        if self._backend.renew(blob_key(blob)) != len(data):
            self._backend.write(blob_key(blob), [data], len(data))
        return blob

    def path(self, path: Path) -> Manifest:
        """Store the blobs of a file or folder and describe it; see `ArtifactStore.put`."""
        try:
            found = list(scan(path))
        except FileNotFoundError as error:
            raise UsageError(
                "there is no such file or folder", where=str(path), code="artifact.no-such-path"
            ) from error
        source = os.path.abspath(path)  # noqa: PTH100 - by another name it is only hashed once more
        known, started = self._recall(source)
        files = [item for item in found if not item.is_directory]
        blobs = each(self._backend.workers, lambda item: self._file(item, known), files)
        self._remember(source, known, dict(zip(map(_signature, files), blobs, strict=True)), started)
        entries = [_entry(item, blob) for item, blob in zip(files, blobs, strict=True)]
        if entries and not entries[0].path:
            return Manifest("file", tuple(entries))
        return tree_manifest(entries, [item.path for item in found if item.is_directory and item.path])

    def _file(self, item: Found, known: dict[Signature, Digest]) -> Digest:
        blob = known.get(_signature(item)) or _hash_file(item)
        if self._backend.renew(blob_key(blob)) != item.status.st_size:
            self._backend.write(blob_key(blob), _copy(item, blob), item.status.st_size)
        return blob

    def _recall(self, source: str) -> tuple[dict[Signature, Digest], float]:
        if self._seen is None:
            return {}, 0.0
        return self._seen.recall(source), self._seen.now()

    def _remember(
        self, source: str, known: dict[Signature, Digest], digests: dict[Signature, Digest], started: float
    ) -> None:
        if self._seen is not None and known != digests:
            self._seen.remember(source, digests, started)


def _hash_file(item: Found) -> Digest:
    hasher = hashlib.sha256()
    for chunk in _read(item):
        hasher.update(chunk)
    return digest_from_hash(hasher)


def _copy(item: Found, blob: Digest) -> Iterator[bytes]:
    """The file's bytes; raises after the last one when they are not those that were hashed."""
    hasher = hashlib.sha256()
    for chunk in _read(item):
        hasher.update(chunk)
        yield chunk
    if digest_from_hash(hasher) != blob:
        raise _changed(item)


def _read(item: Found) -> Iterator[bytes]:
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


def _changed(item: Found) -> ArtifactChangedError:
    return ArtifactChangedError(
        "the file changed while it was being stored",
        where=item.source,
        hint="wait until nothing writes to it, then try again",
    )


def _signature(item: Found) -> Signature:
    return signature(item.status)


def _entry(item: Found, blob: Digest) -> FileEntry:
    executable = bool(item.status.st_mode & stat.S_IXUSR)
    return FileEntry(item.path, item.status.st_size, executable, blob)
