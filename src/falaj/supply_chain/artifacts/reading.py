"""Reading blobs back, never trusting them: bytes are hashed as they pass."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash, digest_of, shard_path
from falaj.supply_chain.artifacts.errors import ArtifactCorruptError, ArtifactMissingError
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest, decode_manifest


def blob_key(blob: Digest) -> str:
    """Key of a blob in the back end."""
    return f"blobs/{shard_path(blob)}"


def manifest_key(digest: Digest) -> str:
    """Key of a manifest in the back end."""
    return f"manifests/{shard_path(digest)}"


def read_manifest(backend: BlobBackend, digest: Digest) -> Manifest:
    """What an artifact consists of; see `ArtifactStore.manifest`."""
    key = manifest_key(digest)
    try:
        data = b"".join(backend.read(key))
    except FileNotFoundError:
        raise ArtifactMissingError("the store holds no such artifact", where=f"{digest} in {backend.url}") from None
    try:
        if digest_of(data) != digest:
            raise ValueError("its bytes do not have the digest that names them")
        return decode_manifest(data)
    except ValueError as error:
        raise ArtifactCorruptError(
            f"the manifest is damaged: {error}",
            where=f"{digest} ({key} in {backend.url})",
            hint="put the same content again, or restore the store from a backup",
        ) from error


def verified(backend: BlobBackend, artifact: Digest, entry: FileEntry) -> Iterator[bytes]:
    """Stream a file; raises at the end when the bytes were not those that the manifest names.

    Args:
        backend: Where the blob lies.
        artifact: Named in errors.
        entry: The file of it.

    Raises:
        ArtifactMissingError: The blob is gone.
        ArtifactCorruptError: The blob is damaged.
    """
    hasher = hashlib.sha256()
    try:
        for chunk in backend.read(blob_key(entry.blob)):
            hasher.update(chunk)
            yield chunk
    except FileNotFoundError:
        raise missing_blob(backend, artifact, entry) from None
    if digest_from_hash(hasher) != entry.blob:
        raise corrupt_blob(backend, artifact, entry)


def missing_blob(backend: BlobBackend, artifact: Digest, entry: FileEntry) -> ArtifactMissingError:
    """The error for a blob that the manifest names and the store does not hold."""
    return ArtifactMissingError(
        f"the store lost {_file(entry)}",
        where=_place(backend, artifact, entry),
        hint="put the same content again, or restore the store from a backup",
    )


def corrupt_blob(backend: BlobBackend, artifact: Digest, entry: FileEntry) -> ArtifactCorruptError:
    """The error for a blob whose bytes do not have its digest."""
    return ArtifactCorruptError(
        f"{_file(entry)} is damaged in the store: its bytes do not have the digest that names them",
        where=_place(backend, artifact, entry),
        hint="delete the damaged blob and put the same content again, or restore it from a backup",
    )


class VerifyingReader(io.RawIOBase):
    """A file of an artifact as a stream, checked when its end is reached.

    Args:
        chunks: What `verified` yields.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    @classmethod
    def open(cls, backend: BlobBackend, artifact: Digest, entry: FileEntry) -> BinaryIO:
        """Open a file of an artifact, buffered.

        Raises:
            ArtifactMissingError: The blob is gone.
        """
        if backend.size(blob_key(entry.blob)) is None:
            raise missing_blob(backend, artifact, entry)
        return cast("BinaryIO", io.BufferedReader(cls(verified(backend, artifact, entry))))

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end, after the check."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _file(entry: FileEntry) -> str:
    return repr(entry.path) if entry.path else "the file"


def _place(backend: BlobBackend, artifact: Digest, entry: FileEntry) -> str:
    return f"{artifact} ({blob_key(entry.blob)} in {backend.url})"
