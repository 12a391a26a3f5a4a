"""A back end whose objects are encrypted; names and sizes seen through it are those of the plaintext."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from typing import BinaryIO

from falaj.supply_chain.artifacts.backend import BlobBackend, Stored, write_all
from falaj.supply_chain.artifacts.errors import ArtifactCorruptError, ArtifactErasedError, disk_errors
from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError
from falaj.supply_chain.encryption.stream import (
    SALT_BYTES,
    DataKey,
    ObjectKey,
    key_id_of,
    object_key,
    plain_size,
    seal,
    sealed_size,
    unseal,
)


class SealedBackend:
    """Encrypts what goes into another back end and decrypts what comes out.

    Args:
        inner: Where the bytes lie.
        current: Gives the key that encrypts.
        find: Gives the key of an id.
    """

    def __init__(self, inner: BlobBackend, current: Callable[[], DataKey], find: Callable[[str], DataKey]) -> None:
        self._inner, self._current, self._find = inner, current, find
        self.url, self.workers = inner.url, inner.workers

    @property
    def inner(self) -> BlobBackend:
        """Where the encrypted bytes lie."""
        return self._inner

    def object_key(self, key: str) -> ObjectKey:
        """What opens one object and no other.

        Raises:
            FileNotFoundError: There is no such object.
            ArtifactErasedError: Its key was destroyed.
        """
        try:
            return object_key(self._inner.read(key), self._find, key)
        except KeyGoneError as error:
            raise ArtifactErasedError(error.message, where=f"{key} in {self.url} (key {error.where})") from error

    def size(self, key: str) -> int | None:
        """See `BlobBackend.size`; -1 for an object that is none of ours."""
        return _plain(self._inner.size(key))

    def read(self, key: str) -> Iterator[bytes]:
        """See `BlobBackend.read`.

        Raises:
            ArtifactCorruptError: It is not what was written under this key.
            ArtifactErasedError: Its key was destroyed.
        """
        try:
            yield from unseal(self._inner.read(key), self._find, key)
        except DamagedCiphertextError as error:
            raise ArtifactCorruptError(error.message, where=f"{key} in {self.url}", hint=error.hint) from error
        except KeyGoneError as error:
            raise ArtifactErasedError(error.message, where=f"{key} in {self.url} (key {error.where})") from error

    def copy_to(self, key: str, file: BinaryIO) -> None:
        """See `BlobBackend.copy_to`."""
        for chunk in self.read(key):
            with disk_errors(file.name):
                write_all(file, chunk)

    def write(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """See `BlobBackend.write`."""
        self._inner.write(key, seal(chunks, self._current(), key, os.urandom(SALT_BYTES)), sealed_size(size))

    def create(self, key: str, data: bytes) -> bool:
        """See `BlobBackend.create`."""
        return self._inner.create(key, b"".join(seal([data], self._current(), key, os.urandom(SALT_BYTES))))

    def renew(self, key: str) -> int | None:
        """See `BlobBackend.renew`."""
        return _plain(self._inner.renew(key))

    def entries(self, prefix: str) -> Iterator[Stored]:
        """See `BlobBackend.entries`."""
        return (Stored(item.key, plain_size(item.size)) for item in self._inner.entries(prefix))

    def delete(self, key: str) -> None:
        """See `BlobBackend.delete`."""
        self._inner.delete(key)

    def remove_stale(self, folder: str, keep: Container[str], cutoff: float) -> Iterator[Stored]:
        """See `BlobBackend.remove_stale`."""
        return (Stored(item.key, plain_size(item.size)) for item in self._inner.remove_stale(folder, keep, cutoff))

    def remove_leftovers(self, cutoff: float) -> None:
        """See `BlobBackend.remove_leftovers`."""
        self._inner.remove_leftovers(cutoff)

    def key_of(self, key: str) -> str:
        """Id of the data key that an object is encrypted with; empty when there is no such object."""
        try:
            return key_id_of(self._inner.read(key)) or ""
        except FileNotFoundError:
            return ""

    def remove_erased(self, key_ids: Collection[str]) -> int:
        """Remove every object of destroyed keys, which nobody can read, so that the same content can be put again.

        Args:
            key_ids: The destroyed keys.

        Returns:
            How many were removed.
        """
        erased = [
            item.key
            for folder in ("manifests", "blobs", "refs")
            for item in self._inner.entries(folder)
            if key_id_of(self._inner.read(item.key)) in key_ids
        ]
        for key in erased:
            self._inner.delete(key)
        return len(erased)


def _plain(stored: int | None) -> int | None:
    return None if stored is None else plain_size(stored)
