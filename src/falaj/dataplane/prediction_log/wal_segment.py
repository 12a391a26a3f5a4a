"""Reading a segment as it was written, also while it is written and after its writer was killed."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from falaj.dataplane.prediction_log.format import (
    KEY_OFFSET,
    LogFormatError,
    Raw,
    SegmentHeader,
    decode_header,
    decode_raw,
    header_size,
    key_of,
)
from falaj.dataplane.prediction_log.segment_encryption import RECORD, LogKeys
from falaj.supply_chain.encryption.errors import DamagedCiphertextError

Read = Callable[[Any, int, int], Raw | None]
"""Reads the record at an offset of bytes that begin at a base in the segment; places behind it are of the bytes."""

_PREAMBLE = 64
_WINDOW = 1 << 20
_GUESS = 4096
_LONGEST_TORN = 64 << 10


class LogSealedError(LogFormatError):
    """A segment is encrypted and no keys were given, or it is in the clear where that is refused."""

    code = "serving.log-sealed"


class WrittenSegment:
    """A file as `LogWriter` makes it; see `Segment`.

    Args:
        path: Of the file.
        file: Its descriptor, which is closed with this.
        keys: For encrypted segments.
    """

    def __init__(self, path: Path, file: int, keys: LogKeys | None) -> None:
        head = head_of(file)
        self.header, self.start = decode_header(head)
        self._name, self._read = _reading(head, self.header, keys, path)
        self._file = file

    def __enter__(self) -> WrittenSegment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def records(self, place: int) -> Iterator[Raw]:
        """See `Segment`."""
        while True:
            window, at = self._window(place, _WINDOW), 0
            while (raw := self._read(window, at, place)) is not None:
                at = raw[3]
                yield (*raw[:3], place + at)
            if at == 0:
                return
            place += at

    def read(self, place: int) -> Raw | None:
        """See `Segment`."""
        raw = self._read(self._window(place, _GUESS), 0, place)
        return None if raw is None else (*raw[:3], place + raw[3])

    def find(self, request_id: str) -> Iterator[Raw]:
        """See `Segment`; searches for the key's 16 bytes with the speed of a memory scan."""
        key = self._name(request_id)
        with mmap.mmap(self._file, 0, prot=mmap.PROT_READ) as data:
            at = data.rfind(key, self.start)
            while at >= 0:
                raw_record = self._read(data, at - KEY_OFFSET, 0)
                if raw_record is not None and raw_record[0] == request_id:
                    yield raw_record
                at = data.rfind(key, self.start, at + len(key) - 1)

    def is_damaged_at(self, place: int) -> bool:
        """Whether something lies behind a place that is neither empty nor what is left of one record.

        A killed writer leaves part of its last record, and a loss of power may leave zeros.

        Args:
            place: Behind the last record that can be read.
        """
        rest = os.pread(self._file, _WINDOW, place)
        if not any(rest):
            return len(rest) == _WINDOW and self.is_damaged_at(place + _WINDOW)
        whole = len(rest) >= RECORD.size and RECORD.size + RECORD.unpack_from(rest)[1] <= len(rest)
        if whole or len(rest) > _LONGEST_TORN:
            return True
        return any(self._is_record(rest, at, place) for at in range(1, len(rest)))

    def gone(self) -> bool:
        """See `Segment`."""
        return os.fstat(self._file).st_nlink == 0

    def forget(self) -> None:
        """See `Segment`; it holds nothing."""

    def close(self) -> None:
        """See `Segment`."""
        os.close(self._file)

    def _is_record(self, data: bytes, at: int, base: int) -> bool:
        try:
            return self._read(data, at, base) is not None
        except DamagedCiphertextError:
            return False

    def _window(self, place: int, guess: int) -> bytes:
        """Bytes from a place on: at least the whole record that begins there, if it is whole.

        They are copied out of the file and not mapped, since a writer that meets a full disk shortens it.
        """
        window = os.pread(self._file, guess, place)
        if len(window) < guess:
            return window
        size = RECORD.size + RECORD.unpack_from(window)[1]
        return os.pread(self._file, size, place) if size > len(window) else window


def head_of(file: int) -> bytes:
    """The bytes of a segment before its first record, for `decode_header`.

    Args:
        file: Its descriptor.

    Raises:
        LogFormatError: It is not a segment.
    """
    return os.pread(file, header_size(os.pread(file, _PREAMBLE, 0)), 0)


def _reading(
    head: bytes, header: SegmentHeader, keys: LogKeys | None, path: Path
) -> tuple[Callable[[str], bytes], Read]:
    """How requests are named in a segment, and what reads its records."""
    if header.seal is None:
        require_clear(keys, path)
        return key_of, lambda data, offset, _base: decode_raw(data, offset)
    cipher = require_keys(keys, path).cipher(header.seal, head, header.owner)
    return cipher.name, cipher.open


def require_own(path: Path, header: SegmentHeader) -> None:
    """Make sure that a segment is of the replica whose folder it lies in.

    A replica writes in its own folder alone, and its agent has named that after the endpoint, release and replica; so
    what says of itself that it is another's was forged. Folders that no agent has named hold no `@`.

    Raises:
        LogFormatError: It names another one.
    """
    folder = path.parent.name
    if "@" not in folder:
        return
    model, _, number = header.release.rpartition("@")
    slot = f"{header.endpoint.replace('/', '+')}@{number}."
    named = folder.startswith(slot) and header.endpoint.endswith(f"/{model}")
    if not named or (header.seal is not None and header.seal.slot != folder):
        raise LogFormatError("the segment names another replica than the one that wrote it", where=str(path))


def require_clear(keys: LogKeys | None, path: Path) -> None:
    """Make sure that a segment may be in the clear.

    Raises:
        LogSealedError: It must not be.
    """
    if keys is not None and keys.only_sealed:
        raise LogSealedError("this segment is in the clear, where all must be encrypted", where=str(path))


def require_keys(keys: LogKeys | None, path: Path) -> LogKeys:
    """What opens an encrypted segment.

    Raises:
        LogSealedError: There are no keys.
    """
    if keys is None:
        raise LogSealedError("this segment is encrypted, and no keys were given", where=str(path))
    return keys
