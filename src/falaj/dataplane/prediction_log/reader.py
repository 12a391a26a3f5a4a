"""Reading the prediction log, also while it is written and after its writer was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from falaj.dataplane.prediction_log.format import LogFormatError, PredictionRecord, record_of
from falaj.dataplane.prediction_log.segment import open_segment
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.dataplane.prediction_log.segment_paths import segments
from falaj.dataplane.prediction_log.wal_segment import LogSealedError
from falaj.supply_chain.encryption.errors import KeyGoneError


def read_segment(path: Path, keys: LogKeys | None = None) -> Iterator[PredictionRecord]:
    """Read a segment in order, up to the first record that is not whole.

    Args:
        path: As `segments` gives it.
        keys: For encrypted segments.

    Raises:
        LogFormatError: It is not a segment.
        LogSealedError: It is encrypted and there are no keys, or it is not and must be.
        DamagedCiphertextError: An encrypted record is not what was written there.
        KeyGoneError: The key of an encrypted segment was destroyed.
        MissingExtraError: It is in columns, and Parquet cannot be read here.
    """
    if path.exists() and path.stat().st_size == 0:
        return  # its writer was killed between creating and filling it
    with open_segment(path, keys)[0] as segment:
        for raw in segment.records(segment.start):
            yield record_of(segment.header, raw)


def find_prediction(folder: Path, request_id: str, keys: LogKeys | None = None) -> PredictionRecord | None:
    """Find an answered request by its id, newest segment first.

    Args:
        folder: The log folder of a replica, or one that holds several.
        request_id: The prediction id.
        keys: For encrypted segments.

    Returns:
        The newest such record whose answer somebody got, else the newest of a shadow; None if there is none.

    Raises:
        LogSealedError: As for `read_segment`.
        DamagedCiphertextError: As for `read_segment`.
        MissingExtraError: As for `read_segment`.
    """
    shadow = None
    for path in reversed(segments(folder)):
        for prediction in _find(path, request_id, keys):
            if not prediction.routing.shadow:
                return prediction
            shadow = shadow or prediction
    return shadow


def _find(path: Path, request_id: str, keys: LogKeys | None) -> Iterator[PredictionRecord]:
    """The records of a request in a segment, newest first.

    A segment that holds nothing readable is no error: its writer was killed before its header was whole, its key was
    destroyed, so that what it held was never there for anybody, or its time was over.
    """
    try:
        segment, _ = open_segment(path, keys)
    except LogSealedError:
        raise
    except (LogFormatError, KeyGoneError, FileNotFoundError):
        return
    with segment:
        for raw in segment.find(request_id):
            yield record_of(segment.header, raw)
