"""The file of the profiles of a location: positions, blocks, and what of them the control plane has.

Whatever is changed together is written in one transaction with the positions behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.core.sqlite_transactions import writing
from falaj.dataplane.agent.profiling.blocks import ArmKey, OpenProfileBlocks, ProfileBlock
from falaj.dataplane.agent.profiling.tallies import LossRun, LossTally
from falaj.statistics.profiles import Profile
from falaj.statistics.recalibration.selection import ScoreDay

FILE = "profiles.db"
MOST_UNSENT = 2_000
MOST_KEPT = 5_000
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE arm(endpoint TEXT NOT NULL, release TEXT NOT NULL, arm TEXT NOT NULL, closed INTEGER NOT NULL,
    closed_until REAL NOT NULL, run TEXT NOT NULL, PRIMARY KEY(endpoint, release, arm)) WITHOUT ROWID;
CREATE TABLE block(id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, release TEXT NOT NULL, arm TEXT NOT NULL,
    number INTEGER NOT NULL, start REAL NOT NULL, end REAL NOT NULL, rows INTEGER NOT NULL, final INTEGER NOT NULL,
    features BLOB, predictions BLOB, tally TEXT, revision INTEGER NOT NULL DEFAULT 1, sent INTEGER NOT NULL DEFAULT 0,
    UNIQUE(endpoint, release, arm, number));
CREATE INDEX unsent ON block(final, id) WHERE revision > sent;
CREATE TABLE score_day(endpoint TEXT NOT NULL, release TEXT NOT NULL, day INTEGER NOT NULL, rows INTEGER NOT NULL,
    total REAL NOT NULL, squares REAL NOT NULL, PRIMARY KEY(endpoint, release, day)) WITHOUT ROWID;
CREATE TABLE run(id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, release TEXT NOT NULL, arm TEXT NOT NULL,
    number INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE(endpoint, release, arm, number));
"""
_KEEP = """
INSERT INTO block(endpoint, release, arm, number, start, end, rows, final, features, predictions)
VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(endpoint, release, arm, number) DO UPDATE SET start = excluded.start,
end = excluded.end, rows = excluded.rows, final = excluded.final, features = excluded.features,
predictions = excluded.predictions, revision = revision + 1
"""
SCORE_DAYS = 100
_ADD_SCORES = """
INSERT INTO score_day VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows,
total = total + excluded.total, squares = squares + excluded.squares
"""
_DROP_UNSENT = """
DELETE FROM block WHERE revision > sent AND final AND features IS NOT NULL AND id NOT IN (SELECT id FROM block
WHERE revision > sent AND final AND features IS NOT NULL ORDER BY id DESC LIMIT ?)
"""
_DROP_OLD = "DELETE FROM block WHERE final AND id NOT IN (SELECT id FROM block ORDER BY id DESC LIMIT ?)"
_DROP_RUNS = "DELETE FROM run WHERE id NOT IN (SELECT id FROM run ORDER BY id DESC LIMIT ?)"


@dataclass(frozen=True)
class Unsent:
    """A block that the control plane does not have as it is now."""

    id: int
    key: ArmKey
    block: ProfileBlock
    tally: LossTally
    revision: int


class ProfileStore:
    """The file, used by one thread.

    Args:
        path: The file.
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

    def writing(self) -> AbstractContextManager[None]:
        """One transaction."""
        return writing(self._db)

    def meta(self, name: str) -> Any:
        """A remembered value; None before the first."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def remember(self, name: str, value: Any) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, json.dumps(value)))

    def arms(self) -> dict[ArmKey, OpenProfileBlocks]:
        """Every arm with its open blocks."""
        query = "SELECT endpoint, release, arm, closed, closed_until FROM arm"
        return {
            ArmKey(*row[:3]): OpenProfileBlocks(self._open_blocks(ArmKey(*row[:3])), row[3], row[4])
            for row in self._db.execute(query)
        }

    def _open_blocks(self, key: ArmKey) -> Mapping[int, ProfileBlock]:
        query = f"SELECT {_BLOCK} FROM block WHERE endpoint = ? AND release = ? AND arm = ? AND NOT final"  # noqa: S608
        return {block.number: block for block in map(_block, self._db.execute(query, _place(key)))}

    def keep(self, key: ArmKey, arm: OpenProfileBlocks, before: OpenProfileBlocks | None) -> None:
        """Write the blocks of an arm that are not what they were."""
        self._db.execute(
            "INSERT INTO arm VALUES(?, ?, ?, ?, ?, '{}') ON CONFLICT DO UPDATE SET closed = excluded.closed,"
            " closed_until = excluded.closed_until",
            (*_place(key), arm.closed, arm.closed_until),
        )
        open_blocks = before.open if before else {}
        for number, block in arm.open.items():
            if open_blocks.get(number) != block:
                profiles = (each.to_bytes() if each else None for each in (block.features, block.predictions))
                shape = (block.number, block.start, block.end, block.rows, block.final)
                self._db.execute(_KEEP, (*_place(key), *shape, *profiles))

    def run_of(self, key: ArmKey) -> LossRun:
        """The losses that are being gathered for the concept monitor."""
        row = self._db.execute("SELECT run FROM arm WHERE endpoint = ? AND release = ? AND arm = ?", _place(key))
        stored_row = row.fetchone()
        return LossRun.from_json(json.loads(stored_row[0]) if stored_row else None)

    def keep_run(self, key: ArmKey, run: LossRun, full: list[LossRun]) -> None:
        """Write them, and those that are full."""
        self._db.execute(
            "UPDATE arm SET run = ? WHERE endpoint = ? AND release = ? AND arm = ?",
            (json.dumps(run.to_json()), *_place(key)),
        )
        for each in full:
            self._db.execute(
                "INSERT OR IGNORE INTO run(endpoint, release, arm, number, value) VALUES(?, ?, ?, ?, ?)",
                (*_place(key), each.number, json.dumps(each.to_json())),
            )

    def block_at(self, key: ArmKey, at: float) -> tuple[int, LossTally] | None:
        """The block that a prediction was counted in, by its time; the first one where it is older than all."""
        where = "FROM block WHERE endpoint = ? AND release = ? AND arm = ?"
        query = f"SELECT id, tally {where} AND start <= ? ORDER BY number DESC LIMIT 1"
        row = self._db.execute(query, (*_place(key), at)).fetchone()
        if row is None:
            row = self._db.execute(f"SELECT id, tally {where} ORDER BY number LIMIT 1", _place(key)).fetchone()
        return (row[0], LossTally.from_json(json.loads(row[1]) if row[1] else None)) if row else None

    def keep_tally(self, block: int, tally: LossTally) -> None:
        """Write the losses of a block."""
        value = json.dumps(tally.to_json())
        self._db.execute("UPDATE block SET tally = ?, revision = revision + 1 WHERE id = ?", (value, block))

    def add_scores(self, endpoint: str, release: str, days: Iterable[ScoreDay]) -> None:
        """Add to the scores of days; those of 100 days ago go."""
        for day in days:
            self._db.execute(_ADD_SCORES, (endpoint, release, day.day, day.rows, day.total, day.squares))
            self._db.execute("DELETE FROM score_day WHERE day < ?", (day.day - SCORE_DAYS,))

    def score_days(self, endpoint: str, release: str) -> list[ScoreDay]:
        """Scores of all rows of a release, by day."""
        query = "SELECT day, rows, total, squares FROM score_day WHERE endpoint = ? AND release = ? ORDER BY day"
        return [ScoreDay(*row) for row in self._db.execute(query, (endpoint, release))]

    def unsent(self, limit: int, *, final: bool = True) -> list[Unsent]:
        """Blocks that the control plane does not have as they are, the oldest first."""
        query = (
            f"SELECT {_BLOCK}, id, endpoint, release, arm, tally, revision FROM block"  # noqa: S608
            " WHERE revision > sent AND final = ? ORDER BY id LIMIT ?"
        )
        return [
            Unsent(
                row[7], ArmKey(*row[8:11]), _block(row), LossTally.from_json(json.loads(row[11]) if row[11] else None),
                row[12],
            )
            for row in self._db.execute(query, (final, limit))
        ]  # fmt: skip

    def runs(self, limit: int) -> list[tuple[int, ArmKey, LossRun]]:
        """Full losses that the control plane does not have, the oldest first."""
        rows = self._db.execute("SELECT id, endpoint, release, arm, value FROM run ORDER BY id LIMIT ?", (limit,))
        return [(row[0], ArmKey(*row[1:4]), LossRun.from_json(json.loads(row[4]))) for row in rows]

    def mark_sent(self, blocks: list[Unsent], runs: list[int]) -> None:
        """The control plane has them; what was added meanwhile is sent again. Profiles that it has are not kept."""
        with writing(self._db):
            self._db.executemany(
                "UPDATE block SET sent = ? WHERE id = ?", [(each.revision, each.id) for each in blocks]
            )
            self._db.executemany(
                "UPDATE block SET features = NULL, predictions = NULL WHERE id = ? AND final AND revision = sent",
                [(each.id,) for each in blocks],
            )
            self._db.executemany("DELETE FROM run WHERE id = ?", [(each,) for each in runs])

    def forget(self) -> int:
        """Keep the file bounded: the oldest of what was never sent goes first.

        Returns:
            How many blocks went that the control plane never had.
        """
        with writing(self._db):
            lost = self._db.execute(_DROP_UNSENT, (MOST_UNSENT,)).rowcount
            self._db.execute(_DROP_OLD, (MOST_KEPT,))
            self._db.execute(_DROP_RUNS, (MOST_KEPT,))
        return lost


_BLOCK = "number, start, end, rows, features, predictions, final"


def _block(row: Any) -> ProfileBlock:
    number, start, end, rows, features, predictions, final = row[:7]
    counted, predicted = (Profile.from_bytes(each) if each else None for each in (features, predictions))
    return ProfileBlock(number, start, end, rows, counted, predicted, bool(final))


def _place(key: ArmKey) -> tuple[str, str, str]:
    return key.endpoint, key.release, key.arm
