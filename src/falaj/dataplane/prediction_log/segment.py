"""A segment that is open for reading, in whatever form it lies on the disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from falaj.dataplane.prediction_log.format import Raw, SegmentHeader
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.dataplane.prediction_log.segment_paths import COLUMNS, forms
from falaj.dataplane.prediction_log.wal_segment import WrittenSegment, require_own


class LogSegment(AbstractContextManager["LogSegment"], Protocol):
    """Records of one segment; of each `Raw` the last value is the place behind it."""

    header: SegmentHeader
    start: int
    """Place of the first record."""

    def records(self, place: int) -> Iterator[Raw]:
        """The records from a place on, up to the first that is not whole.

        Raises:
            DamagedCiphertextError: One is not what was written there.
            LogFormatError: The file is damaged.
        """

    def read(self, place: int) -> Raw | None:
        """The record at a place; None when no whole record begins there.

        Raises:
            DamagedCiphertextError: It is not what was written there.
            LogFormatError: The file is damaged.
        """

    def find(self, request_id: str) -> Iterator[Raw]:
        """The records of a request, newest first.

        Raises:
            DamagedCiphertextError: One is not what was written there.
            LogFormatError: The file is damaged.
        """

    def gone(self) -> bool:
        """Whether the file that this reads was removed, with what lay in it or after it was put into columns."""

    def forget(self) -> None:
        """Let go of what is held in memory for the next read."""

    def close(self) -> None:
        """Close the file."""


def open_segment(path: Path, keys: LogKeys | None = None) -> tuple[LogSegment, bool]:
    """Open a segment.

    Args:
        path: The path under which it was written.
        keys: For encrypted segments.

    Returns:
        The segment, and whether nothing will be added to it. That was looked at before its end is: what was written
        before it ended is then read.

    Raises:
        FileNotFoundError: It is not there in any form.
        LogFormatError: It is not a segment.
        LogSealedError: It is encrypted and there are no keys, or it is not and must be.
        KeyGoneError: The key of an encrypted segment was destroyed.
        MissingExtraError: It is in columns, and Parquet cannot be read here.
    """
    for form in forms(path):
        try:
            file = os.open(form, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            opened = _opened(form, file, keys)
            require_own(path, opened[0].header)
            return opened
        except BaseException:
            os.close(file)
            raise
    raise FileNotFoundError(path)


def _opened(form: Path, file: int, keys: LogKeys | None) -> tuple[LogSegment, bool]:
    if form.suffix in COLUMNS:
        from falaj.dataplane.prediction_log.columnar import ColumnarSegment

        return ColumnarSegment(form, file, keys), True
    ended = is_free(file)
    written = WrittenSegment(form, file, keys)
    return written, ended and written.header.is_locked


def is_free(file: int) -> bool:
    """Whether nobody writes to a segment any more; its writer holds a lock until it ends, however it does."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True
