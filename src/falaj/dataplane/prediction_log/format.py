r"""Bytes of a segment.

    segment = b"FALAJWAL1\n"  u32 length  u32 crc  header (JSON)  record*
    record  = u32 crc  u32 length  16 bytes key  u64 time (ns, Unix)  payload (MessagePack, `length` bytes)

Numbers are little-endian; a record's crc covers everything after it. The key is the request id's UUID, or the first
16 bytes of its BLAKE2b digest when it is no UUID (the text is then in the payload). A header with a `seal` says that
the records are encrypted; `sealing` has their form. The payload of a prediction is the request id (or nil), features,
outputs, and since there are rollouts the facts of its routing; that of a batch of labels is in `labels`. An answer that
was recalibrated has one value more, `[version, offset]`, and beside each output that was moved what the model gave, as
`bare_NAME`.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import msgspec

from falaj.core.errors import IntegrityError
from falaj.dataplane.prediction_log.routing import UNKNOWN, Facts, Routing, routing_of
from falaj.dataplane.prediction_log.segment_encryption import RECORD, LogOwner, SegmentKey

MAGIC = b"FALAJWAL1\n"
KEY_OFFSET = 8
_PREAMBLE = struct.Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_crc = partial(zlib.crc32)


PREDICTIONS, LABELS = "predictions", "labels"
"""Kinds of segments."""

SUFFIXES = {PREDICTIONS: ".wal", LABELS: ".labels"}
"""How the names of their files end."""

Raw = tuple[str, int, tuple[Any, ...], int]
"""A record as it lies: request id, Unix time in nanoseconds, the values of its payload, and the offset behind it."""


class LogFormatError(IntegrityError):
    """A file is not a prediction log segment, or its header is damaged."""

    code = "serving.log-format"


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What is the same for all records of a segment.

    Attributes:
        release: `name@version`.
        endpoint: `environment/model`.
        features: Feature names in the order of the rows.
        created_ns: Unix time in nanoseconds.
        seal: How its records are encrypted; None when they are not.
        kind: What its records are.
        is_locked: Its writer locks the file for as long as it may write, so that a reader knows when it ended.
    """

    release: str
    endpoint: str
    features: tuple[str, ...]
    created_ns: int
    seal: SegmentKey | None = None
    kind: str = PREDICTIONS
    is_locked: bool = False

    @property
    def owner(self) -> LogOwner:
        """Whose segment it says that it is."""
        return LogOwner(self.endpoint, self.release, self.seal.slot if self.seal else "")


BARE = "bare_"
"""Before the name of an output as the model gave it, where the answer was recalibrated."""


@dataclass(frozen=True, slots=True)
class AppliedOffset:
    """What moved an answer.

    Attributes:
        version: Of the release's recalibration.
        offset: In log-odds, or in the unit of the answer.
    """

    version: int
    offset: float


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One answered request.

    Attributes:
        request_id: The prediction id, as the client saw it.
        at: Unix time in seconds when the model had answered.
        header: Release, endpoint and feature names.
        rows: Features, one tuple a row; None is a missing value.
        outputs: What was answered, by name of the output, one value (or list) a row.
        routing: How the request came to this release.
        recalibration: What moved the answer; None where nothing did.
        bare: Outputs that were moved, as the model gave them.
    """

    request_id: str
    at: float
    header: SegmentHeader
    rows: tuple[tuple[Any, ...], ...]
    outputs: Mapping[str, Sequence[Any]]
    routing: Routing = UNKNOWN
    recalibration: AppliedOffset | None = None
    bare: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def bare_outputs(self) -> Mapping[str, Sequence[Any]]:
        """What the model gave, whatever was answered."""
        return {**self.outputs, **self.bare} if self.bare else self.outputs


def key_of(request_id: str) -> bytes:
    """Return the 16-byte key of a request id."""
    return _uuid(request_id) or hashlib.blake2b(request_id.encode(), digest_size=16).digest()


def _uuid(text: str) -> bytes | None:
    """The bytes of a UUID in its usual form; the class in the standard library takes five times as long."""
    if len(text) != 36:
        return None
    try:
        uuid_bytes = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return uuid_bytes if len(uuid_bytes) == 16 and _text(uuid_bytes) == text else None


def _text(key: bytes) -> str:
    digits = key.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def encode_header(header: SegmentHeader) -> bytes:
    """Return the first bytes of a segment."""
    text = msgspec.json.encode(header)
    return MAGIC + _PREAMBLE.pack(len(text), _crc(text)) + text


def header_size(data: bytes) -> int:
    """How long a segment's header is, from its first bytes; 0 when they are none of a header."""
    start = len(MAGIC) + _PREAMBLE.size
    return start + _PREAMBLE.unpack_from(data, len(MAGIC))[0] if data.startswith(MAGIC) and len(data) >= start else 0


def decode_header(data: Any) -> tuple[SegmentHeader, int]:
    """Read a segment's header.

    Args:
        data: The segment's bytes.

    Returns:
        The header, and the offset of the first record.

    Raises:
        LogFormatError: It is not a segment or its header is damaged.
    """
    start = len(MAGIC) + _PREAMBLE.size
    if bytes(data[: len(MAGIC)]) != MAGIC or len(data) < start:
        raise LogFormatError("this is not a prediction log segment")
    length, crc = _PREAMBLE.unpack(data[len(MAGIC) : start])
    text = bytes(data[start : start + length])
    if len(text) != length or _crc(text) != crc:
        raise LogFormatError("the segment's header is damaged")
    return msgspec.json.decode(text, type=SegmentHeader), start + length


def encode_record(request_id: str, at_ns: int, *values: Any) -> bytes:
    """Return one record.

    Args:
        request_id: The prediction id.
        at_ns: Unix time in nanoseconds.
        values: Of a prediction: features as rows (list of tuples), or `{"columns": [...]}` with one entry a feature;
            outputs as lists by output name; the facts of its routing; and what moved the answer, if anything did.
    """
    uuid_bytes = _uuid(request_id)
    key = uuid_bytes or key_of(request_id)
    payload = _encode((None if uuid_bytes else request_id, *values))
    body = RECORD.pack(0, len(payload), key, at_ns)[4:] + payload
    return _crc(body).to_bytes(4, "little") + body


def decode_raw(data: Any, offset: int) -> Raw | None:
    """Read the record at an offset of a segment in the clear.

    Args:
        data: Bytes of the segment.
        offset: Where in them the record may start.

    Returns:
        None if no whole, undamaged record starts here.
    """
    if offset < 0 or offset + RECORD.size > len(data):
        return None
    crc, length, key, at_ns = RECORD.unpack(data[offset : offset + RECORD.size])
    end = offset + RECORD.size + length
    if end > len(data) or _crc(data[offset + 4 : end]) != crc:
        return None
    request_id, *values = _decode(data[offset + RECORD.size : end])
    return request_id or _text(key), at_ns, tuple(values), end


def decode_record(data: Any, offset: int, header: SegmentHeader) -> tuple[PredictionRecord, int] | None:
    """Read the prediction at an offset.

    Args:
        data: The segment's bytes.
        offset: Where the record may start.
        header: The segment's header.

    Returns:
        The record and the offset after it; None if no whole, undamaged record starts here.
    """
    raw_record = decode_raw(data, offset)
    return None if raw_record is None else (record_of(header, raw_record), raw_record[3])


def record_of(header: SegmentHeader, raw: Raw) -> PredictionRecord:
    """The prediction that a record holds."""
    request_id, at_ns, (features, outputs, *more), _ = raw
    facts: Facts | None = more[0] if more else None
    rows = tuple(map(tuple, rows_of(features)))
    record = PredictionRecord(request_id, at_ns / 1e9, header, rows, outputs, routing_of(facts))
    return _recalibrated(record, more[1]) if len(more) > 1 else record


def _recalibrated(record: PredictionRecord, applied: Sequence[Any]) -> PredictionRecord:
    """The record with what was answered and what the model gave told apart."""
    bare = {name.removeprefix(BARE): values for name, values in record.outputs.items() if name.startswith(BARE)}
    answered = {name: values for name, values in record.outputs.items() if not name.startswith(BARE)}
    return replace(record, outputs=answered, bare=bare, recalibration=AppliedOffset(*applied))


def rows_of(features: Any) -> Sequence[Sequence[Any]]:
    """The features of a record, one sequence a row, whichever way they are stored."""
    if not isinstance(features, dict):
        return cast("Sequence[Sequence[Any]]", features)
    return tuple(zip(*map(_column, features["columns"]), strict=True))


def _column(stored: Any) -> Sequence[Any]:
    """A column is a list, or `[dtype, shape, bytes]` of an array."""
    if not isinstance(stored, dict):
        return list(stored)
    import numpy as np

    items: list[Any] = np.frombuffer(stored["data"], stored["dtype"]).reshape(stored["shape"]).tolist()
    return items
