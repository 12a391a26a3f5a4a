"""Appending to the prediction log."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from falaj.core.errors import UnavailableError
from falaj.dataplane.prediction_log.format import SUFFIXES, SegmentHeader, encode_header, encode_record
from falaj.dataplane.prediction_log.segment_encryption import LogKey, SegmentCipher

DEFAULT_SEGMENT_BYTES = 64 << 20

Answer = tuple[Any, ...]
"""Request id, Unix time in nanoseconds, features, outputs and facts of one answered request; see `encode_record`."""


class LogUnavailableError(UnavailableError):
    """The log directory cannot be written."""

    code = "serving.log-unavailable"


class LogWriter:
    """The segments of one replica. Used by one thread.

    Args:
        folder: Where segments go; created, readable by the owner only.
        header: Release, endpoint and features; `created_ns` is set for each segment.
        clock_ns: Unix time in nanoseconds.
        segment_bytes: A segment that would grow beyond this is followed by a new one.
        key: Encrypts what is written; None for a log in the clear.
        synced: A write returns when it is on the disk, so that it outlives a loss of power as well.

    Raises:
        LogUnavailableError: The folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        header: SegmentHeader,
        clock_ns: Callable[[], int],
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        *,
        key: LogKey | None = None,
        synced: bool = False,
    ) -> None:
        self._folder, self._header, self._clock_ns, self._limit = folder, header, clock_ns, segment_bytes
        self._key, self._synced = key, synced
        self._cipher: SegmentCipher | None = None
        self._fd: int | None = None
        self._size = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise _unavailable(folder, error) from error

    def write(self, answers: Sequence[Answer]) -> None:
        """Append the records of one batch with one write; on failure nothing of them stays.

        Args:
            answers: What was answered.

        Raises:
            LogUnavailableError: The disk is full or gone. The next one tries again.
        """
        if self._key is None:
            self.append(b"".join([encode_record(*answer) for answer in answers]))
            return
        try:
            if self._fd is None:
                self._open()
            records = self._sealed(answers)
            if self._size + len(records) > self._limit:
                self._open()
                records = self._sealed(answers)  # they open only where they stand
            self._write(records)
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error

    def append(self, records: bytes) -> None:
        """Append the records of one batch to a log in the clear; see `write`.

        Args:
            records: Whole records, joined.

        Raises:
            LogUnavailableError: The disk is full or gone. The next append tries again.
        """
        try:
            if self._fd is None or self._size + len(records) > self._limit:
                self._open()
            self._write(records)
        except OSError as error:
            self.close()
            raise _unavailable(self._folder, error) from error

    def close(self) -> None:
        """Close the current segment."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        self.close()
        # The time orders segments by name, also when a clock was set back; the process id keeps replicas that share the
        # folder apart.
        now = self._clock_ns()
        name = f"{max(now, _newest(self._folder) + 1):020d}-{os.getpid()}{SUFFIXES[self._header.kind]}"
        path, unready = self._folder / name, self._folder / f"{name}.new"
        self._fd = os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0
        seal = self._key.new_seal() if self._key else None
        header = encode_header(replace(self._header, created_ns=now, seal=seal, is_locked=True))
        self._cipher = SegmentCipher(self._key, header, seal.segment) if self._key and seal else None
        try:
            # Who reads finds the file with its lock and its header, or not at all. The lock goes with this process.
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._write(header)
            unready.rename(path)
        except OSError:
            unready.unlink(missing_ok=True)
            raise

    def _sealed(self, answers: Sequence[Answer]) -> bytes:
        assert self._cipher is not None
        records, offset = [], self._size
        for answer in answers:
            records.append(self._cipher.seal(offset, *answer))
            offset += len(records[-1])
        return b"".join(records)

    def _write(self, data: bytes) -> None:
        if self._fd is None:
            raise OSError("no segment is open")
        written = os.write(self._fd, data)
        if written == len(data) and self._synced:
            os.fdatasync(self._fd)
        if written != len(data):
            # A half record would hide nothing (its crc fails) but would end the reading of what follows.
            os.ftruncate(self._fd, self._size)
            raise OSError(f"only {written} of {len(data)} bytes could be written")
        self._size += written


def _newest(folder: Path) -> int:
    return max((int(path.name[:20]) for path in folder.iterdir() if path.name[:20].isdecimal()), default=-1)


def _unavailable(folder: Path, error: OSError) -> LogUnavailableError:
    return LogUnavailableError(f"the prediction log cannot be written: {error}", where=str(folder))
