"""The seam between the store and where its bytes lie: a folder or a bucket."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

CHUNK = 1 << 20
"""Bytes read, hashed and written at a time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as a back end lists it.

    Attributes:
        key: `/`-separated name, such as `blobs/ab/cdef...`.
        size: Bytes.
    """

    key: str
    size: int


class BlobBackend(Protocol):
    """Keeps bytes under keys.

    Attributes:
        url: Names the place, for messages.
        workers: How many objects to move at the same time.
    """

    url: str
    workers: int

    def size(self, key: str) -> int | None:
        """Size in bytes of an object; None when there is none."""

    def read(self, key: str) -> Iterator[bytes]:
        """Stream an object.

        Raises:
            FileNotFoundError: There is none.
        """

    def copy_to(self, key: str, file: BinaryIO) -> None:
        """Write an object's bytes into an open, empty file.

        Raises:
            FileNotFoundError: There is none.
        """

    def write(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """Store an object, replacing any other, so that readers see all of it or nothing.

        When `chunks` raises, nothing is stored.

        Args:
            key: Its name.
            chunks: Its bytes in order.
            size: How many there will be.
        """

    def create(self, key: str, data: bytes) -> bool:
        """Store a small object unless there is one; of several writers exactly one is told True.

        Args:
            key: Its name.
            data: Its bytes.
        """

    def renew(self, key: str) -> int | None:
        """Mark an object as modified now, so that `remove_stale` spares it.

        Returns:
            Its size, or None when it does not exist; then the caller writes it.
        """

    def entries(self, prefix: str) -> Iterator[Stored]:
        """Every object below a folder, in no particular order."""

    def delete(self, key: str) -> None:
        """Remove an object if it is there."""

    def remove_stale(self, folder: str, keep: Container[str], cutoff: float) -> Iterator[Stored]:
        """Remove the objects of a sharded folder that are neither kept nor recently modified.

        An object that is renewed or written while this runs is either spared, or is already gone when `renew` looks
        for it; there is nothing in between.

        Args:
            folder: `blobs` or `manifests`.
            keep: Keys to spare.
            cutoff: Unix seconds; what was modified later is spared.

        Returns:
            What was removed.
        """

    def remove_leftovers(self, cutoff: float) -> None:
        """Remove what interrupted writers left behind before `cutoff` (Unix seconds)."""


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write every byte to an unbuffered file, which may take only some at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
