"""The file of labelled rows: what offsets are fitted to, written in one transaction with the place in the join."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from falaj.core.sqlite_transactions import writing
from falaj.dataplane.agent.recalibration.row_collection import GatheredRow
from falaj.statistics.recalibration import LabelledRows

FILE = "recalibration.db"
DAY_S = 86_400.0
MOST_OF_A_DAY = 5_000
"""So many rows of a release and day are kept at most: those with the smallest hashes, which is a random sample."""
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE labelled(endpoint TEXT NOT NULL, release TEXT NOT NULL, day INTEGER NOT NULL, key INTEGER NOT NULL,
    predicted REAL NOT NULL, arrived REAL NOT NULL, score REAL NOT NULL, label REAL NOT NULL,
    PRIMARY KEY(endpoint, release, day, key)) WITHOUT ROWID
"""
_KEEP = "INSERT OR REPLACE INTO labelled VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
_THIN = """
DELETE FROM labelled WHERE endpoint = ? AND release = ? AND day = ? AND key NOT IN
(SELECT key FROM labelled WHERE endpoint = ? AND release = ? AND day = ? ORDER BY key LIMIT ?)
"""


class RowsFile:
    """The file, used by one thread.

    Args:
        path: The file; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with writing(self._db):
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute("PRAGMA user_version=1")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def position(self) -> int:
        """The number in the join behind which nothing was gathered yet."""
        meta_row = self._db.execute("SELECT value FROM meta WHERE name = 'joined'").fetchone()
        return int(meta_row[0]) if meta_row else 0

    def keep(self, rows: Iterable[GatheredRow], position: int) -> None:
        """Keep rows and the place behind them; a row that is there takes its new label."""
        with writing(self._db):
            for row in rows:
                day = int(row.predicted_at // DAY_S)
                place = (row.endpoint, row.release, day)
                self._db.execute(_KEEP, (*place, row.key, row.predicted_at, row.arrived_at, row.score, row.label))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES('joined', ?)", (position,))

    def rows_of(self, endpoint: str, release: str) -> LabelledRows:
        """The labelled rows of a release; times in days."""
        query = "SELECT predicted, arrived, score, label FROM labelled WHERE endpoint = ? AND release = ?"
        matrix = np.array(self._db.execute(query, (endpoint, release)).fetchall(), dtype=np.float64).reshape(-1, 4)
        return LabelledRows(matrix[:, 0] / DAY_S, matrix[:, 1] / DAY_S, matrix[:, 2], matrix[:, 3])

    def forget(self, before: float) -> None:
        """Drop rows of predictions before a time, and those of busy days that are too many.

        Args:
            before: Unix seconds.
        """
        count = "SELECT endpoint, release, day FROM labelled GROUP BY 1, 2, 3 HAVING count(*) > ?"
        with writing(self._db):
            self._db.execute("DELETE FROM labelled WHERE day < ?", (int(before // DAY_S),))
            for place in self._db.execute(count, (MOST_OF_A_DAY,)).fetchall():
                self._db.execute(_THIN, (*place, *place, MOST_OF_A_DAY))
