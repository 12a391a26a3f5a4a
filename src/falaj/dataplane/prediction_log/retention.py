"""Removing segments whose time is over."""

from __future__ import annotations

import os
from pathlib import Path

from falaj.core.errors import FalajError
from falaj.dataplane.prediction_log.columnar import ColumnarSegment
from falaj.dataplane.prediction_log.format import LABELS, PREDICTIONS, LogFormatError, decode_header
from falaj.dataplane.prediction_log.segment import is_free
from falaj.dataplane.prediction_log.segment_encryption import RECORD, LogKeys
from falaj.dataplane.prediction_log.segment_paths import COLUMNS, forms, segments
from falaj.dataplane.prediction_log.wal_segment import head_of

_WINDOW = 1 << 20


def remove_older(folder: Path, before_ns: int, keys: LogKeys | None = None) -> list[Path]:
    """Remove the segments, of predictions and of labels, whose newest record is older than a time.

    Args:
        folder: The log folder.
        before_ns: Unix nanoseconds.
        keys: For encrypted segments in columns.

    Returns:
        Those that were removed, by the paths under which they were written. One that is still written to stays.
    """
    old = (path for kind in (PREDICTIONS, LABELS) for path in segments(folder, kind) if _began_ns(path) < before_ns)
    expired = [path for path in old if _is_over(path, before_ns, keys)]
    for path in expired:
        for form in forms(path):
            form.unlink(missing_ok=True)
    return expired


def _began_ns(path: Path) -> int:
    """When a segment was begun, as its name says: none of its records is older."""
    began = path.name[:20]
    return int(began) if began.isdecimal() else 0


def _is_over(path: Path, before_ns: int, keys: LogKeys | None) -> bool:
    """Whether all records of a segment are older than a time, in each form that it has."""
    there = [form for form in forms(path) if form.exists()]
    return bool(there) and all(_form_is_over(form, before_ns, keys) for form in there)


def _form_is_over(form: Path, before_ns: int, keys: LogKeys | None) -> bool:
    file = os.open(form, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not is_free(file):
            return False
        last_write_ns = os.fstat(file).st_mtime_ns  # a record of the future was written by a clock that was wrong
        newest_ns = _newest_in_columns(form, keys) if form.suffix in COLUMNS else _newest_written(file)
        return min(last_write_ns if newest_ns is None else newest_ns, last_write_ns) < before_ns
    finally:
        os.close(file)


def _newest_in_columns(form: Path, keys: LogKeys | None) -> int | None:
    """Time of the newest record; None where it cannot be read, be it erased, damaged or for want of Parquet."""
    file = os.open(form, os.O_RDONLY | os.O_CLOEXEC)
    try:
        segment = ColumnarSegment(form, file, keys)
    except FalajError:
        os.close(file)
        return None
    with segment:
        return segment.newest_ns


def _newest_written(file: int) -> int | None:
    """Time of the newest record, which is not encrypted; None where there is no header."""
    try:
        _, place = decode_header(head_of(file))
    except LogFormatError:
        return None
    newest, size = 0, os.fstat(file).st_size
    while len(window := os.pread(file, _WINDOW, place)) >= RECORD.size:
        at = 0
        while at + RECORD.size <= len(window):
            _, length, _, at_ns = RECORD.unpack_from(window, at)
            at += RECORD.size + length
            if place + at <= size:  # what is beyond the end was torn, and its time with it
                newest = max(newest, at_ns)
        place += at
    return newest
