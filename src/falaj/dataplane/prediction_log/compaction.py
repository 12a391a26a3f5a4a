"""Putting segments that have ended into columns, and taking away what was written when it is certain that all is there.

At any moment a kill leaves the segment as it was written, or both forms of it, or its columns alone; a form that is
not whole has another name. Readers take the written one as long as it is there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path

import msgspec

from falaj.core.errors import IntegrityError
from falaj.dataplane.prediction_log.columnar import (
    ColumnarSegment,
    Layout,
    SchemaSurvey,
    batches,
    flat,
    pieces_of,
    sealed_name,
)
from falaj.dataplane.prediction_log.format import LogFormatError, Raw
from falaj.dataplane.prediction_log.segment import LogSegment, open_segment
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.dataplane.prediction_log.segment_paths import CLEAR_COLUMNS, SEALED_COLUMNS
from falaj.dataplane.prediction_log.wal_segment import WrittenSegment
from falaj.supply_chain.encryption import stream
from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError

_PART = ".part"
_BATCH, _BATCH_BYTES = 1_000, 1 << 20
_log = logging.getLogger(__name__)
_pack = msgspec.msgpack.Encoder().encode
Pause = Callable[[], None]
_UNFIT = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError, msgspec.MsgspecError)
"""What the libraries raise that make columns, of values that no column holds."""


class CompactionOutcome(StrEnum):
    """What became of a segment."""

    DONE = "done"
    """It is in columns, and in no other form."""
    OPEN = "open"
    """It is still written to."""
    LEFT = "left"
    """It stays as it was written: it is damaged, erased or not to be believed."""


class ColumnsError(IntegrityError):
    """Columns do not hold or give back what was written; the segment stays as it is."""

    code = "serving.log-columns"


def compact(
    path: Path, keys: LogKeys | None, provenance: Mapping[str, str], pause: Pause = lambda: None
) -> CompactionOutcome:
    """Put a segment of predictions into columns, if nothing will be added to it.

    Args:
        path: As `segments` gives it.
        keys: For encrypted segments.
        provenance: What its file says of itself, such as its residency.
        pause: Called between bounded parts of the work; what it raises ends the work, which begins anew the next time.

    Returns:
        What became of it. One that is damaged is left, since something may still be found in it behind the damage.

    Raises:
        MissingExtraError: Parquet cannot be written here.
        ColumnsError: The columns do not hold or give back what was written.
        OSError: The disk is full or gone.
    """
    if not path.exists():
        return CompactionOutcome.DONE
    try:
        segment, ended = open_segment(path, keys)
        with segment:
            if not isinstance(segment, WrittenSegment):
                return CompactionOutcome.DONE
            return _compacted(path, segment, keys, provenance, pause) if ended else CompactionOutcome.OPEN
    except (LogFormatError, KeyGoneError, DamagedCiphertextError) as error:
        _log.info("prediction-log.left-as-written code=%s segment=%s reason=%s", error.code, path, error)
        return CompactionOutcome.LEFT
    except _UNFIT as error:
        raise ColumnsError(f"a segment cannot be put into columns: {error}", where=str(path)) from error


def _compacted(
    path: Path, segment: WrittenSegment, keys: LogKeys | None, provenance: Mapping[str, str], pause: Pause
) -> CompactionOutcome:
    layout = _surveyed(segment, pause)
    if segment.is_damaged_at(layout.end):
        raise LogFormatError("something lies behind the last record that can be read", where=str(path))
    if len(set(segment.header.features)) < len(segment.header.features):
        raise LogFormatError("two features have the same name", where=str(path))
    columns = path.with_suffix(SEALED_COLUMNS if segment.header.seal else CLEAR_COLUMNS)
    part = columns.with_name(columns.name + _PART)
    part.unlink(missing_ok=True)
    try:
        _write(part, _sealed(pieces_of(segment, layout, provenance, pause), segment, path, keys))
        _verify(part, segment, keys, pause)
        part.rename(columns)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(columns.parent)
    path.unlink()
    return CompactionOutcome.DONE


def _surveyed(segment: LogSegment, pause: Pause) -> Layout:
    survey = SchemaSurvey(segment.header, segment.start)
    for batch in batches(segment.records(segment.start), _BATCH, _BATCH_BYTES, segment.start):
        survey.see(batch)
        pause()
    return Layout.of(segment.header, segment.start, survey.inferred())


def _sealed(pieces: Iterator[bytes], segment: LogSegment, path: Path, keys: LogKeys | None) -> Iterable[bytes]:
    """The file's bytes, encrypted with the same data key as the segment was."""
    seal = segment.header.seal
    if seal is None or keys is None:
        return pieces
    return stream.seal(pieces, keys.find(seal.key), sealed_name(path), os.urandom(stream.SALT_BYTES))


def _write(part: Path, pieces: Iterable[bytes]) -> None:
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        for piece in pieces:
            out.write(piece)
        out.flush()
        os.fsync(file)


def _verify(part: Path, segment: LogSegment, keys: LogKeys | None, pause: Pause) -> None:
    """Read the file back and compare it with what was written, record by record and type by type."""
    file = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        written = ColumnarSegment(part, file, keys, sealed=segment.header.seal is not None)
    except BaseException:
        os.close(file)
        raise
    with written as columns:
        if (columns.header, columns.start) != (segment.header, segment.start):
            raise ColumnsError("the columns of a segment have another header than it has", where=str(part))
        pairs = zip_longest(segment.records(segment.start), columns.records(segment.start))
        for number, (before, after) in enumerate(pairs):
            if before is None or after is None or _exact(before) != _exact(after):
                raise ColumnsError("the columns of a segment do not give back a record", where=f"{part}:{number}")
            if number % _BATCH == _BATCH - 1:
                pause()


def _exact(raw: Raw) -> bytes:
    """All that readers see of a record, as bytes, which differ where types do."""
    flat_record = flat(raw)
    return _pack(
        (
            flat_record.request_id,
            flat_record.at_ns,
            flat_record.rows,
            flat_record.outputs,
            flat_record.facts,
            flat_record.applied,
            flat_record.end,
        )
    )


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
