"""Reading the prediction log, also while it is written and after its writer was killed."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

from falaj.encryption.errors import KeyGoneError
from falaj.serving.predictionlog.format import (
    KEY_OFFSET,
    PREDICTIONS,
    SUFFIXES,
    LogFormatError,
    PredictionRecord,
    Raw,
    SegmentHeader,
    decode_header,
    decode_raw,
    key_of,
    record_of,
)
from falaj.serving.predictionlog.sealing import LogKeys

_Read = Callable[[mmap.mmap | bytes, int, int], Raw | None]


class LogSealedError(LogFormatError):
    """A segment is encrypted and no keys were given, or it is in the clear where that is refused."""

    code = "serving.log-sealed"


def segments(folder: Path, kind: str = PREDICTIONS) -> list[Path]:
    """Return the segments of a log folder and the folders below it (one a replica), oldest first."""
    return sorted(folder.rglob(f"*{SUFFIXES[kind]}"), key=lambda path: path.name)


def read_segment(path: Path, keys: LogKeys | None = None) -> Iterator[PredictionRecord]:
    """Read a segment in order, up to the first record that is not whole.

    Args:
        path: A `.wal` file.
        keys: For encrypted segments.

    Raises:
        LogFormatError: It is not a segment.
        LogSealedError: It is encrypted and there are no keys, or it is not and must be.
        DamagedCiphertextError: An encrypted record is not what was written there.
        KeyGoneError: The key of an encrypted segment was destroyed.
    """
    with _mapped(path) as data:
        if not data:
            return
        header, offset = decode_header(data)
        _, read = reading(bytes(data[:offset]), header, keys, path)
        while (found := read(data, offset, 0)) is not None:
            yield record_of(header, found)
            offset = found[3]


def find_prediction(folder: Path, request_id: str, keys: LogKeys | None = None) -> PredictionRecord | None:
    """Find an answered request by its id.

    Searches for the key's 16 bytes with the speed of a memory scan, newest segment first, and accepts only a record
    whose checksum holds.

    Args:
        folder: The log folder of a replica, or one that holds several.
        request_id: The prediction id.
        keys: For encrypted segments.

    Returns:
        The newest such record whose answer somebody got, else the newest of a shadow; None if there is none.

    Raises:
        LogSealedError: As for `read_segment`.
        DamagedCiphertextError: As for `read_segment`.
    """
    shadow = None
    for path in reversed(segments(folder)):
        with _mapped(path) as data:
            for found in _find(data, request_id, keys, path) if data else ():
                if not found.routing.shadow:
                    return found
                shadow = shadow or found
    return shadow


def _find(data: mmap.mmap | bytes, request_id: str, keys: LogKeys | None, path: Path) -> Iterator[PredictionRecord]:
    """The records of a request in a segment, newest first."""
    header, start = _header_or_none(data)
    if header is None:
        return
    try:
        name, read = reading(bytes(data[:start]), header, keys, path)
    except KeyGoneError:
        return  # erased: what it held was never there for anybody
    key = name(request_id)
    at = data.rfind(key, start)
    while at >= 0:
        found = read(data, at - KEY_OFFSET, 0)
        if found is not None and found[0] == request_id:
            yield record_of(header, found)
        at = data.rfind(key, start, at + len(key) - 1)


def reading(
    head: bytes, header: SegmentHeader, keys: LogKeys | None, path: Path
) -> tuple[Callable[[str], bytes], _Read]:
    """How requests are named in a segment, and what reads the record at an offset of bytes that begin at a base.

    Args:
        head: The bytes before the first record.
        header: What they say.
        keys: For encrypted segments.
        path: Of the segment.

    Raises:
        LogSealedError: As for `read_segment`.
        KeyGoneError: As for `read_segment`.
    """
    if header.seal is None:
        if keys is not None and keys.only_sealed:
            raise LogSealedError("this segment is in the clear, where all must be encrypted", where=str(path))
        return key_of, lambda data, offset, _base: decode_raw(data, offset)
    if keys is None:
        raise LogSealedError("this segment is encrypted, and no keys were given", where=str(path))
    cipher = keys.cipher(header.seal, head)
    return cipher.name, cipher.open


def _header_or_none(data: mmap.mmap | bytes) -> tuple[SegmentHeader | None, int]:
    """A segment whose writer was killed between creating and filling it holds nothing, which is no error."""
    try:
        return decode_header(data)
    except LogFormatError:
        return None, 0


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
