"""The highest number of each subject, in a file outside of the database.

A number is recorded after the transaction that makes the fact has been committed, and before anybody is told that it
was made. A process that dies in between has told nobody: whoever reads the fact next records its number. So a fact
that was acknowledged is never taken back, and a process that dies locks nobody out.

The file is SQLite's, for its locks and its durability; every process keeps a copy in memory.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from falaj.core.sqlite_transactions import writing
from falaj.storage.facts.statement import FactSubject

_BUSY_TIMEOUT_S = 15.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact_version(
    kind TEXT NOT NULL, subject TEXT NOT NULL, number INTEGER NOT NULL, previous INTEGER NOT NULL,
    gone INTEGER NOT NULL, ends REAL, sequence INTEGER NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY(kind, subject)) WITHOUT ROWID
"""
_RECORD = """
INSERT INTO fact_version VALUES(?, ?, ?, 0, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET previous = number, number = excluded.number,
    gone = excluded.gone, ends = excluded.ends, sequence = excluded.sequence, content = excluded.content
    WHERE excluded.number > number
"""
_NEWER = "SELECT kind, subject, number, previous, gone, sequence, ends, content FROM fact_version WHERE sequence > ?"
_CLOCK = "SELECT coalesce(max(sequence), 0) FROM fact_version"


@dataclass(frozen=True)
class Mark:
    """A number to record.

    Args:
        subject: Of what.
        number: The highest from now on.
        gone: The fact was taken back.
        ends: When the fact means nothing any more by itself, unix seconds; None for never.
        content: Digest of what is there, of something that only grows.
    """

    subject: FactSubject
    number: int
    gone: bool = False
    ends: float | None = None
    content: str = ""


@dataclass(frozen=True)
class FactVersion:
    """What is known of a subject.

    Args:
        number: The highest.
        previous: The one before it.
        gone: Whether the fact was taken back.
        sequence: When that was recorded, counted in records.
        ends: When it means nothing any more by itself, unix seconds; None for never.
        content: Digest of what was there, of something that only grows.
    """

    number: int
    previous: int
    gone: bool
    sequence: int
    ends: float | None = None
    content: str = ""


class FactVersions:
    """The file of one installation.

    Args:
        path: Made when it is not there; readable by the owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _SCHEMA):
            self._db.execute(statement)
        self._versions: dict[str, dict[str, FactVersion]] = {}
        self._version, self._sequence = -1, 0
        self.clock()

    def clock(self) -> int:
        """Return how many records there are now; what is read from the database after this is at least so new."""
        with self._lock:
            version = self._db.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._version = version
                self._catch_up()
            return self._sequence

    def of(self, subject: FactSubject) -> FactVersion | None:
        """Return what was recorded of a subject, as far as this process has looked."""
        return self._versions.get(subject.kind, {}).get(subject.digest)

    def record(self, marks: Sequence[Mark]) -> None:
        """Keep numbers for good; one that is not higher than what is there changes nothing."""
        if not marks:
            return
        with self._lock, writing(self._db):
            sequence = self._db.execute(_CLOCK).fetchone()[0] + 1
            self._db.executemany(
                _RECORD,
                [
                    (each.subject.kind, each.subject.digest, each.number, each.gone, each.ends, sequence, each.content)
                    for each in marks
                ],
            )
        with self._lock:
            self._catch_up()

    def prune(self, now: float) -> None:
        """Forget what has ended by itself; what was recorded last stays, so that the sequence never goes back."""
        with self._lock, writing(self._db):
            clock_sequence = self._db.execute(_CLOCK).fetchone()[0]
            self._db.execute("DELETE FROM fact_version WHERE ends < ? AND sequence < ?", (now, clock_sequence))
            for kind, versions_by_name in self._versions.items():
                current_versions = {
                    name: each for name, each in versions_by_name.items() if each.ends is None or each.ends >= now
                }
                self._versions[kind] = current_versions

    def standing(self, kind: str) -> set[str]:
        """Return the digest of every subject of a kind that was recorded and not taken back."""
        with self._lock:
            return {digest for digest, fact_version in self._versions.get(kind, {}).items() if not fact_version.gone}

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _catch_up(self) -> None:
        rows = self._db.execute(_NEWER, (self._sequence,)).fetchall()
        for kind, subject, number, previous, gone, sequence, ends, content in rows:
            self._versions.setdefault(kind, {})[subject] = FactVersion(
                number, previous, bool(gone), sequence, ends, content
            )
            self._sequence = max(self._sequence, sequence)
