"""Logs for the tests of segments in columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from falaj.encryption import DataKey, KeyGoneError
from falaj.serving.predictionlog import LogKeys, LogWriter, SegmentHeader, new_log_key, segments
from falaj.serving.predictionlog.compaction import Outcome, compact

DATA_KEY = DataKey("ab" * 16, "default", bytes(range(32)))
ENDPOINT = "prod/flight-delay"
HEADER = SegmentHeader("flight-delay@7", ENDPOINT, ("hour", "carrier"), 0)
SAID = {"residency": "AE", "location": "dubai"}
AT_NS = 1_700_000_000_123_456_789
Answer = tuple[Any, ...]


def find_key(key_id: str) -> DataKey:
    if key_id != DATA_KEY.id:
        raise KeyGoneError("gone", where=key_id)
    return DATA_KEY


KEYS = LogKeys(find_key)


def answer(name: str, rows: Any = ((5, "UA"),), outputs: Any = None, facts: Any = (2, 500, 9, 1500)) -> Answer:
    rows = [tuple(row) for row in rows] if not isinstance(rows, dict) else rows
    return name, AT_NS, rows, {"label": [1] * len(rows)} if outputs is None else outputs, facts


def write(folder: Path, *answers: Answer, header: SegmentHeader = HEADER, sealed: bool = False, now: int = 1) -> Path:
    """One segment, whose writer has ended."""
    log = LogWriter(folder, header, lambda: now, key=new_log_key(DATA_KEY) if sealed else None)
    if answers:
        log.write(answers)
    log.close()
    return segments(folder)[-1]


def compacted(path: Path, keys: LogKeys | None = KEYS) -> None:
    assert compact(path, keys, SAID) is Outcome.DONE
    assert not path.exists()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
