"""Reading records by their place."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from falaj.encryption.errors import DamagedCiphertextError, KeyGoneError
from falaj.serving.predictionlog.format import LogFormatError, Raw, SegmentHeader, decode_header, header_size
from falaj.serving.predictionlog.reader import reading
from falaj.serving.predictionlog.sealing import RECORD, LogKeys

Read = Callable[[Any, int, int], Raw | None]
"""Reads the record at an offset of bytes that begin at a base in the segment."""

_PREAMBLE = 64
_GUESS = 4096
_MOST_OPEN = 64


class Lookup:
    """Reads single records of a log, with the last used segments kept open.

    Args:
        folder: The log folder.
        keys: For encrypted segments.
    """

    def __init__(self, folder: Path, keys: LogKeys | None = None) -> None:
        self._folder, self._keys = folder, keys
        self._open: OrderedDict[str, tuple[int, SegmentHeader, Read]] = OrderedDict()

    def read(self, segment: str, place: int) -> tuple[SegmentHeader, Raw] | None:
        """Read one record.

        Args:
            segment: Path of the segment below the folder.
            place: Offset in the segment, in bytes.

        Returns:
            None when it is no longer there, was erased with its key, or is not what was written there.
        """
        try:
            file, header, read = self._segment(segment)
            window = os.pread(file, _GUESS, place)
            if len(window) == _GUESS and (size := RECORD.size + RECORD.unpack_from(window)[1]) > _GUESS:
                window = os.pread(file, size, place)
            raw = read(window, 0, place)
        except (FileNotFoundError, KeyGoneError, LogFormatError, DamagedCiphertextError):
            return None
        return None if raw is None else (header, raw)

    def close(self) -> None:
        """Close the segments."""
        while self._open:
            os.close(self._open.popitem()[1][0])

    def _segment(self, name: str) -> tuple[int, SegmentHeader, Read]:
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        path = self._folder / name
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header, _, read = head_of(file, path, self._keys)
        except BaseException:
            os.close(file)
            raise
        self._open[name] = file, header, read
        if len(self._open) > _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1][0])
        return file, header, read


def head_of(file: int, path: Path, keys: LogKeys | None) -> tuple[SegmentHeader, int, Read]:
    """The header of an open segment, the offset of its first record, and what reads its records.

    Raises:
        LogFormatError: As for `read_segment`.
        LogSealedError: As for `read_segment`.
        KeyGoneError: As for `read_segment`.
    """
    head = os.pread(file, header_size(os.pread(file, _PREAMBLE, 0)), 0)
    header, start = decode_header(head)
    return header, start, reading(head, header, keys, path)[1]


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file for reading; its descriptor."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)
