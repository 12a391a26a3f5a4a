"""A layer of an image: a tar file that depends on names, bytes and executable bits, and on nothing else.

Uncompressed, because what a library of compression writes changes with its version, and a digest would with it.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from falaj.build.images.errors import ImageError
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash

OWNER = 65532
"""The user and group `nonroot` of images without a shell, which all files belong to."""


@dataclass(frozen=True)
class Member:
    """A file, or an empty folder, of a layer.

    Attributes:
        path: In the image, without a leading `/`.
        size: Bytes.
        content: Opens them; the end of the stream may raise where they are not what they must be.
        executable: Whether they may be executed.
        folder: Whether it is an empty folder.
    """

    path: str
    size: int
    content: Callable[[], BinaryIO]
    executable: bool = False
    folder: bool = False


def member_of(path: str, data: bytes) -> Member:
    """A file with these bytes."""
    return Member(path, len(data), lambda: io.BytesIO(data))


def folder_at(path: str) -> Member:
    """An empty folder."""
    return Member(path, 0, io.BytesIO, folder=True)


def members_below(folder: Path, prefix: str) -> Iterator[Member]:
    """Every file below a folder of this process's own."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = f"{prefix}/{path.relative_to(folder).as_posix()}"
            yield Member(name, path.stat().st_size, lambda path=path: path.open("rb"))  # type: ignore[misc]


def write_layer(members: Iterable[Member], out: BinaryIO) -> tuple[Digest, int]:
    """Write a layer.

    Args:
        members: In any order.
        out: Where to write.

    Returns:
        Digest and size of what was written.

    Raises:
        ImageError: Two members have one path, or bytes are more than they were.
    """
    hashed = Hashed(out)
    with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for path, member in _in_order(members):
            if member is None or member.folder:
                archive.addfile(_header(path, 0o755, tarfile.DIRTYPE))
            else:
                _add(archive, member)
    return digest_from_hash(hashed.hasher), hashed.size


def _in_order(members: Iterable[Member]) -> list[tuple[str, Member | None]]:
    """Folders and files by the bytes of their paths; a folder comes before what it holds."""
    entries: dict[str, Member | None] = {}
    for member in members:
        if entries.get(member.path) is not None:
            raise ImageError("two files of a layer have one path", where=member.path)
        entries.update({str(parent): None for parent in PurePosixPath(member.path).parents if str(parent) != "."})
        entries[member.path] = member
    return sorted(entries.items(), key=lambda entry: entry[0].encode())


def _header(path: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.mode, header.type, header.uid, header.gid, header.mtime = mode, kind, OWNER, OWNER, 0
    return header


def _add(archive: tarfile.TarFile, member: Member) -> None:
    header = _header(member.path, 0o755 if member.executable else 0o644)
    header.size = member.size
    with member.content() as stream:
        try:
            archive.addfile(header, stream)
        except OSError as error:  # what the library raises for too few bytes
            raise ImageError(f"a file changed while it was read: {error}", where=member.path) from error
        if stream.read(1):  # also where a stream says at its end that its bytes were damaged
            raise ImageError("a file grew while it was read", where=member.path)


class Hashed:
    """A stream for writing that hashes what passes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.hasher, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Write some bytes."""
        self.hasher.update(data)
        self.size += len(data)
        return self._out.write(data)
