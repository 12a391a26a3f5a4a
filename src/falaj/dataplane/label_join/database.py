"""The file of the join.

`prediction` says where each prediction lies, `label` where the label in force of each id lies, and `joined` which two
came together, in the order in which they did. Ids and labels are there as numbers alone (see `naming`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from falaj.core.sqlite_transactions import writing

_VERSION = 1
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counted(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segment(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, newest REAL NOT NULL);
CREATE TABLE arm(id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, release TEXT NOT NULL, shadow INTEGER NOT NULL,
    UNIQUE(endpoint, release, shadow));
CREATE TABLE prediction(key INTEGER NOT NULL, arm INTEGER NOT NULL, segment INTEGER NOT NULL, place INTEGER NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY(key, arm)) WITHOUT ROWID;
CREATE TABLE label(key INTEGER PRIMARY KEY, at REAL NOT NULL, digest INTEGER NOT NULL, segment INTEGER NOT NULL,
    place INTEGER NOT NULL, item INTEGER NOT NULL, size INTEGER NOT NULL, arrived REAL NOT NULL,
    pending INTEGER NOT NULL, sender INTEGER NOT NULL);
CREATE INDEX pending ON label(arrived) WHERE pending;
CREATE INDEX pending_of_sender ON label(sender, arrived) WHERE pending;
CREATE TABLE joined(number INTEGER PRIMARY KEY AUTOINCREMENT, arm INTEGER NOT NULL, at REAL NOT NULL,
    segment INTEGER NOT NULL, place INTEGER NOT NULL, label_segment INTEGER NOT NULL, label_place INTEGER NOT NULL,
    item INTEGER NOT NULL, correction INTEGER NOT NULL);
"""
# What one step brings, before it is known what of it is new; and the keys that somebody asks for.
_FRESH = """
CREATE TEMP TABLE wanted(key INTEGER PRIMARY KEY);
CREATE TEMP TABLE fresh(key INTEGER NOT NULL, arm INTEGER NOT NULL, segment INTEGER NOT NULL, place INTEGER NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY(key, arm)) WITHOUT ROWID;
CREATE TEMP TABLE best(key INTEGER PRIMARY KEY, at REAL NOT NULL, digest INTEGER NOT NULL, segment INTEGER NOT NULL,
    place INTEGER NOT NULL, item INTEGER NOT NULL, size INTEGER NOT NULL, arrived REAL NOT NULL, n INTEGER NOT NULL,
    sender INTEGER NOT NULL);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the file, and make it where it is missing; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    # A loss of power may cost the last steps, with the positions they were at: then they are done again.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA temp_store=MEMORY")
    with writing(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            _run(connection, _SCHEMA)
            connection.execute(f"PRAGMA user_version={_VERSION}")
    _run(connection, _FRESH)
    return connection


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";\n"):
        connection.execute(statement)


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Several questions about one state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
