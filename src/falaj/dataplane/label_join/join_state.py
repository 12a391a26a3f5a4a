"""What the file of the join knows besides rows: positions, counts, numbers of segments and arms, and its secret."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from falaj.dataplane.label_join.id_hashing import IdHasher
from falaj.dataplane.prediction_log import LogKeys, TailedRecord
from falaj.supply_chain.encryption.derivation import derive
from falaj.supply_chain.encryption.errors import KeyGoneError

_PURPOSE = b"falaj/label-join/v1"


class Register:
    """Reads and writes them, within the transaction of its caller.

    Args:
        connection: Of the file.
        keys: Of the log.
    """

    def __init__(self, connection: sqlite3.Connection, keys: LogKeys | None) -> None:
        self._db, self._keys = connection, keys
        self._names: IdHasher | None = None
        self._segments: dict[str, int] = {}
        self._arms: dict[tuple[str, str, bool], int] = {}

    def forget_numbers(self) -> None:
        """Forget what was not committed."""
        self._names = None
        self._segments.clear()
        self._arms.clear()

    def get(self, name: str) -> str | None:
        """A value by its name."""
        value_row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return value_row[0] if value_row else None

    def set(self, name: str, value: str) -> None:
        """Keep a value by its name."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to what was counted."""
        add = "INSERT INTO counted VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET n = n + excluded.n"
        self._db.executemany(add, counts.items())

    def counted(self) -> dict[str, int]:
        """What was counted since the beginning."""
        return dict(self._db.execute("SELECT name, n FROM counted").fetchall())

    def segment(self, path: str) -> int:
        """The number of a segment; they grow in the order in which segments are first read."""
        if path not in self._segments:
            self._db.execute("INSERT OR IGNORE INTO segment(path, newest) VALUES(?, 0)", (path,))
            segment_row = self._db.execute("SELECT id FROM segment WHERE path = ?", (path,)).fetchone()
            self._segments[path] = segment_row[0]
        return self._segments[path]

    def arm(self, endpoint: str, release: str, *, shadow: bool) -> int:
        """The number of a release at an endpoint, as one whose answers somebody gets or as a shadow."""
        key = (endpoint, release, shadow)
        if key not in self._arms:
            self._db.execute("INSERT OR IGNORE INTO arm(endpoint, release, shadow) VALUES(?, ?, ?)", key)
            arm_row = self._db.execute(
                "SELECT id FROM arm WHERE endpoint = ? AND release = ? AND shadow = ?", key
            ).fetchone()
            self._arms[key] = arm_row[0]
        return self._arms[key]

    def note_age(self, entries: Iterable[TailedRecord]) -> None:
        """Remember how old the newest record of each segment is."""
        newest: dict[str, float] = {}
        for entry in entries:
            newest[entry.segment] = max(newest.get(entry.segment, 0.0), entry.raw[1] / 1e9)
        ages = [(at, at, self.segment(path)) for path, at in newest.items()]
        self._db.executemany("UPDATE segment SET newest = ? WHERE newest < ? AND id = ?", ages)

    def known_names(self) -> IdHasher | None:
        """What names ids and labels; None before there were any, or when they were erased with their key."""
        if self._names is None:
            try:
                self._names = IdHasher(self._derived(json.loads(self.get("secret") or "")))
            except (ValueError, KeyGoneError):
                return None
        return self._names

    def names(self, entry: TailedRecord) -> IdHasher:
        """What names ids and labels, made with the data key of the first record, so that the file alone tells nobody.

        Args:
            entry: A record whose data key is there.
        """
        hasher = self.known_names()
        if hasher is None:
            seal = entry.header.seal
            key_material = {"salt": os.urandom(16).hex(), "key": seal.key if seal else None}
            self.set("secret", json.dumps(key_material))
            hasher = self._names = IdHasher(self._derived(key_material))
        return hasher

    def _derived(self, secret: Mapping[str, Any]) -> bytes:
        salt = bytes.fromhex(secret["salt"])
        if secret["key"] is None or self._keys is None:
            return salt
        return derive(self._keys.find(secret["key"]).secret, salt, _PURPOSE)
