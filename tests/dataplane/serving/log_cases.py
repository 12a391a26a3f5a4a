"""Logs for the tests of segments in columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from falaj.dataplane.prediction_log import LogKeys, LogWriter, SegmentHeader, new_log_key, segments
from falaj.dataplane.prediction_log.compaction import CompactionOutcome, compact
from falaj.supply_chain.encryption import DataKey, KeyGoneError

DATA_KEY = DataKey("ab" * 16, "default", bytes(range(32)))
ENDPOINT = "prod/flight-delay"
HEADER = SegmentHeader("flight-delay@7", ENDPOINT, ("hour", "carrier"), 0)
STATED = {"residency": "AE", "location": "dubai"}
AT_NS = 1_700_000_000_123_456_789
Answer = tuple[Any, ...]


def find_key(key_id: str) -> DataKey:
    if key_id != DATA_KEY.id:
        raise KeyGoneError("gone", where=key_id)
    return DATA_KEY


KEYS = LogKeys(find_key)


def answer(
    name: str, rows: Any = ((5, "UA"),), outputs: Any = None, facts: Any = (2, 500, 9, 1500), applied: Any = None
) -> Answer:
    rows = [tuple(row) for row in rows] if not isinstance(rows, dict) else rows
    values = (rows, {"label": [1] * len(rows)} if outputs is None else outputs, facts)
    return name, AT_NS, *values, *(() if applied is None else (applied,))


def write(folder: Path, *answers: Answer, header: SegmentHeader = HEADER, sealed: bool = False, now: int = 1) -> Path:
    """One segment, whose writer has ended."""
    log = LogWriter(folder, header, lambda: now, key=new_log_key(DATA_KEY, header.owner) if sealed else None)
    if answers:
        log.write(answers)
    log.close()
    return segments(folder)[-1]


def writer(folder: Path, *, sealed: bool = True, start: int = 1, **options: Any) -> LogWriter:
    """A log whose segments are begun at one nanosecond after the other, so that their names are in order."""
    ticks = iter(range(start, start + 100_000))
    return LogWriter(
        folder, HEADER, lambda: next(ticks), key=new_log_key(DATA_KEY, HEADER.owner) if sealed else None, **options
    )


class Replicas:
    """Replicas that write and end as a test says.

    Args:
        folder: The log folder.
        sealed: Whether they encrypt.
        segment_bytes: As for `LogWriter`.
    """

    def __init__(self, folder: Path, *, sealed: bool, segment_bytes: int) -> None:
        self._folder, self._sealed, self._segment_bytes = folder, sealed, segment_bytes
        self._logs: dict[int, LogWriter] = {}
        self._written: dict[int, list[str]] = {}

    def write(self, number: int, count: int) -> None:
        """Write so many answers; a replica that has ended, or is new, begins a segment."""
        if number not in self._logs:
            folder = self._folder / str(number)
            self._logs[number] = writer(folder, sealed=self._sealed, segment_bytes=self._segment_bytes)
        record_ids = self._written.setdefault(number, [])
        fresh = [f"{number}-{len(record_ids) + index}" for index in range(count)]
        self._logs[number].write([answer(name) for name in fresh])
        record_ids += fresh

    def end(self, number: int) -> None:
        """End a replica, if it is there."""
        if number in self._logs:
            self._logs.pop(number).close()

    def close(self) -> None:
        """End all."""
        for number in list(self._logs):
            self.end(number)

    def were_read(self, read: list[str]) -> None:
        """Everything was read once, and in order within its replica."""
        for number, expected in self._written.items():
            assert [name for name in read if name.startswith(f"{number}-")] == expected
        assert len(read) == sum(map(len, self._written.values()))


def compacted(path: Path, keys: LogKeys | None = KEYS) -> None:
    assert compact(path, keys, STATED) is CompactionOutcome.DONE
    assert not path.exists()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
