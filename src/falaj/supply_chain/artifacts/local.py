"""The folder back end: plain files, atomic renames, one advisory lock between writers and garbage collection."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from falaj.supply_chain.artifacts.backend import CHUNK, Stored, write_all
from falaj.supply_chain.artifacts.errors import disk_errors

_STAGING = "tmp"
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


class LocalBackend:
    """Objects as read-only files below a folder.

    Args:
        root: The folder; made when missing. All processes that share it must be on one machine or on a file system
            with working `flock`.
    """

    workers = 1  # a second thread does not make a disk or SHA-256 on a shared machine faster

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        with disk_errors(self.url):
            (root / _STAGING).mkdir(parents=True, exist_ok=True)
            (root / "lock").touch(exist_ok=True)

    def size(self, key: str) -> int | None:
        """See `Backend.size`."""
        try:
            return (self.root / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """See `Backend.read`."""
        with (self.root / key).open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def copy_to(self, key: str, file: BinaryIO) -> None:
        """See `Backend.copy_to`; shares the blocks on file systems that can (XFS, Btrfs)."""
        with disk_errors(file.name), (self.root / key).open("rb", buffering=0) as source:
            if not _copy_in_kernel(source.fileno(), file.fileno()):
                while chunk := source.read(CHUNK):
                    write_all(file, chunk)

    def write(self, key: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 - part of the seam
        """See `Backend.write`."""
        target = f"{self.root}/{key}"
        staged = f"{self.root}/{_STAGING}/{os.urandom(12).hex()}"
        with disk_errors(target):
            try:
                _write_durably(staged, chunks)
                _rename_into(staged, target)
            except BaseException:
                Path(staged).unlink(missing_ok=True)
                raise

    def create(self, key: str, data: bytes) -> bool:
        """See `Backend.create`: a hard link is made, or refused, in one step."""
        target, staged = self.root / key, self.root / _STAGING / os.urandom(12).hex()
        with disk_errors(str(target)):
            try:
                _write_durably(str(staged), [data])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(staged)
            except FileExistsError:
                return False
            finally:
                staged.unlink(missing_ok=True)
        return True

    def renew(self, key: str) -> int | None:
        """See `Backend.renew`."""
        path = self.root / key
        with self._locked(fcntl.LOCK_SH):
            try:
                os.utime(path)
                return path.stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def entries(self, prefix: str) -> Iterator[Stored]:
        """See `Backend.entries`."""
        base = os.fspath(self.root)
        for folder, _, names in os.walk(self.root / prefix):
            relative = os.path.relpath(folder, base)
            for name in names:
                with suppress(FileNotFoundError):  # removed since the folder was read
                    size = os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - many files
                    yield Stored(f"{relative}/{name}", size)

    def delete(self, key: str) -> None:
        """See `Backend.delete`."""
        with suppress(NotADirectoryError):
            (self.root / key).unlink(missing_ok=True)

    def remove_stale(self, folder: str, keep: Container[str], cutoff: float) -> Iterator[Stored]:
        """See `Backend.remove_stale`; writers wait only while one of the 256 shards is looked at."""
        with suppress(FileNotFoundError):
            for shard in sorted(os.listdir(self.root / folder)):  # noqa: PTH208 - names are what is needed
                with self._locked(fcntl.LOCK_EX):
                    removed = list(self._remove_from_shard(f"{folder}/{shard}", keep, cutoff))
                yield from removed

    def remove_leftovers(self, cutoff: float) -> None:
        """See `Backend.remove_leftovers`."""
        for place in (_STAGING, "seen"):
            with suppress(FileNotFoundError), os.scandir(self.root / place) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.stat().st_mtime <= cutoff:
                            Path(entry.path).unlink()

    def _remove_from_shard(self, shard: str, keep: Container[str], cutoff: float) -> Iterator[Stored]:
        with os.scandir(self.root / shard) as entries:
            for entry in entries:
                key = f"{shard}/{entry.name}"
                status = entry.stat()
                if key not in keep and status.st_mtime <= cutoff:
                    Path(entry.path).unlink()
                    yield Stored(key, status.st_size)

    @contextmanager
    def _locked(self, mode: int) -> Iterator[None]:
        descriptor = os.open(self.root / "lock", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, mode)
            yield
        finally:
            os.close(descriptor)


def _write_durably(path: str, chunks: Iterable[bytes]) -> None:
    with open(path, "xb", buffering=0) as file:  # noqa: PTH123 - a path object costs more than a small write
        for chunk in chunks:
            write_all(file, chunk)
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())  # or a power cut could leave a name without its bytes


def _rename_into(staged: str, target: str) -> None:
    try:
        os.replace(staged, target)  # noqa: PTH105 - see `_write_durably`
    except FileNotFoundError:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, target)  # noqa: PTH105


def _copy_in_kernel(source: int, target: int) -> bool:
    """Copy with `copy_file_range`; False when the file systems cannot, with nothing written."""
    copied = 0
    try:
        while count := os.copy_file_range(source, target, 1 << 30):
            copied += count
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY or copied:
            raise
        return False
    return copied > 0  # some file systems answer 0 at once; the plain copy settles it
