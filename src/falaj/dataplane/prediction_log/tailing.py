"""Reading a log as it grows, from where an earlier reader stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.dataplane.prediction_log.format import (
    PREDICTIONS,
    LogFormatError,
    PredictionRecord,
    Raw,
    SegmentHeader,
    record_of,
)
from falaj.dataplane.prediction_log.segment import open_segment
from falaj.dataplane.prediction_log.segment_encryption import LogKeys
from falaj.dataplane.prediction_log.segment_paths import segments
from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError

_MOST_BYTES = 16 << 20
_DONE = -1
_DONE_KEPT = 64
_log = logging.getLogger(__name__)

Position = Mapping[str, Any]
"""Where a reader is: plain JSON, `{}` at the beginning."""


@dataclass(frozen=True, slots=True)
class TailedRecord:
    """A record and where it lies.

    Args:
        segment: Path below the folder under which its segment was written.
        offset: In the segment as it was written, in bytes.
        header: Of the segment.
        raw: What the record holds.
    """

    segment: str
    offset: int
    header: SegmentHeader
    raw: Raw


def tail(
    folder: Path, position: Position, keys: LogKeys | None = None, *, limit: int = 10_000
) -> tuple[list[PredictionRecord], dict[str, Any]]:
    """Read the predictions that were logged since a position.

    Args:
        folder: The log folder of a replica, or one that holds several.
        position: What the last call returned; `{}` for everything from the beginning.
        keys: For encrypted segments.
        limit: How many records at most. Fewer are returned where they are large; only none means that there are no
            more at once.

    Returns:
        The records, in order within each replica, and the position behind them. A record is returned once it is whole,
        so one that a killed writer tore is not. Segments that are damaged, erased or not to be believed are passed over
        and reported in the process's log.
    """
    entries, after = follow(folder, position, keys, limit=limit)
    return [record_of(each.header, each.raw) for each in entries], after


def follow(
    folder: Path, position: Position, keys: LogKeys | None = None, *, kind: str = PREDICTIONS, limit: int = 10_000
) -> tuple[list[TailedRecord], dict[str, Any]]:
    """As `tail`, of either kind of segments and with the place of each record.

    Args:
        folder: As for `tail`.
        position: As for `tail`.
        keys: As for `tail`.
        kind: Kind of the segments.
        limit: As for `tail`.
    """
    before, segment_offsets = position.get("before", ""), dict(position.get("segments", {}))
    there = {str(path.relative_to(folder)): path for path in segments(folder, kind) if path.name >= before}
    tailed: list[TailedRecord] = []
    room = _Room(limit, _MOST_BYTES)
    offsets = {name: segment_offsets.get(name, 0) for name in there}
    for name, path in there.items():
        if offsets[name] != _DONE and room:
            entries, offsets[name] = _read(name, path, offsets[name], keys, room)
            tailed += entries
    return tailed, _pruned(offsets, before)


@dataclass(slots=True)
class _Room:
    """What else may be read in this call, so that it holds no more than that in memory."""

    records: int
    size: int

    def __bool__(self) -> bool:
        return self.records > 0 and self.size > 0

    def take(self, size: int) -> None:
        self.records -= 1
        self.size -= size


def _pruned(offsets: Mapping[str, int], before: str) -> dict[str, Any]:
    """Forget finished segments that are older than every one that may still grow, up to some of the newest.

    Those are kept since a replica that starts at the same moment may show its first segment a little later than another
    one that has begun after it and has already ended.
    """
    names = list(offsets)
    first = next((index for index, name in enumerate(names) if offsets[name] != _DONE), len(names))
    gone = max(0, min(first, len(names) - _DONE_KEPT))
    remaining = names[gone:]
    return {
        "before": Path(remaining[0]).name if gone else before,
        "segments": {name: offsets[name] for name in remaining},
    }


def _read(name: str, path: Path, offset: int, keys: LogKeys | None, room: _Room) -> tuple[list[TailedRecord], int]:
    """The records of a segment from an offset on, and where to go on; `_DONE` where nothing will come."""
    tailed: list[TailedRecord] = []
    try:
        segment, ended = open_segment(path, keys)
        with segment:
            place = max(offset, segment.start)
            for raw in segment.records(place):
                tailed.append(TailedRecord(name, place, segment.header, raw))
                room.take(raw[3] - place)
                place = raw[3]
                if not room:
                    return tailed, place
            return tailed, _DONE if ended else place
    except FileNotFoundError:
        return tailed, _DONE
    except (LogFormatError, DamagedCiphertextError) as error:
        _log.warning("prediction-log.passed-over code=%s segment=%s reason=%s", error.code, path, error)
    except KeyGoneError:
        _log.info("prediction-log.erased segment=%s", path)
    return tailed, _DONE
