"""Reading the prediction log, also while it is written and after its writer was killed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from falaj.serving.predictionlog.format import (
    KEY_OFFSET,
    LogFormatError,
    PredictionRecord,
    SegmentHeader,
    decode_header,
    decode_record,
    key_of,
)


def segments(folder: Path) -> list[Path]:
    """Return the segments of a log folder and the folders below it (one a replica), oldest first."""
    return sorted(folder.rglob("*.wal"), key=lambda path: path.name)


def read_segment(path: Path) -> Iterator[PredictionRecord]:
    """Read a segment in order, up to the first record that is not whole.

    Args:
        path: A `.wal` file.

    Raises:
        LogFormatError: It is not a segment.
    """
    with _mapped(path) as data:
        if not data:
            return
        header, offset = decode_header(data)
        while (found := decode_record(data, offset, header)) is not None:
            record, offset = found
            yield record


def find_prediction(folder: Path, request_id: str) -> PredictionRecord | None:
    """Find an answered request by its id.

    Searches for the key's 16 bytes with the speed of a memory scan, newest segment first, and accepts only a record
    whose checksum holds.

    Args:
        folder: The log folder of a replica, or one that holds several.
        request_id: The prediction id.

    Returns:
        The newest such record; None if there is none.
    """
    key = key_of(request_id)
    for path in reversed(segments(folder)):
        with _mapped(path) as data:
            found = _find(data, key, request_id) if data else None
        if found is not None:
            return found
    return None


def _find(data: mmap.mmap | bytes, key: bytes, request_id: str) -> PredictionRecord | None:
    header = _header_or_none(data)
    at = data.rfind(key) if header else -1
    while header and at >= 0:
        found = decode_record(data, at - KEY_OFFSET, header)
        if found is not None and found[0].request_id == request_id:
            return found[0]
        at = data.rfind(key, 0, at + len(key) - 1)
    return None


def _header_or_none(data: mmap.mmap | bytes) -> SegmentHeader | None:
    """A segment whose writer was killed between creating and filling it holds nothing, which is no error."""
    try:
        return decode_header(data)[0]
    except LogFormatError:
        return None


class _mapped:  # noqa: N801 (reads as a function)
    """Memory map of a file; empty bytes for an empty file, which cannot be mapped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> mmap.mmap | bytes:
        with self._path.open("rb") as stream:
            size = stream.seek(0, 2)
            self._data = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) if size else b""
        return self._data

    def __exit__(self, *_: object) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()
