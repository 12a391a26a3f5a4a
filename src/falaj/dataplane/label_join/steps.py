"""What moves rows between the tables of the join; each function is a part of a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

Prediction = tuple[int, int, int, int, int]
"""Key, arm, segment, place, and number of rows."""

Label = tuple[int, float, int, int, int, int, int, float, int, int]
"""Key, at, digest, segment, place, item, number of rows, when it came, its number in this step, and who sent it."""


def add_predictions(connection: sqlite3.Connection, predictions: Iterable[Prediction], now: float) -> dict[str, int]:
    """Take in predictions, and join those whose labels have been waiting.

    Of several records of one id by one release, as retries make them, the one that was read first counts.

    Returns:
        What to count.
    """
    run = connection.execute
    run("DELETE FROM fresh")
    connection.executemany("INSERT OR IGNORE INTO fresh VALUES(?, ?, ?, ?, ?)", predictions)
    run("DELETE FROM fresh WHERE EXISTS(SELECT 1 FROM prediction p WHERE p.key = fresh.key AND p.arm = fresh.arm)")
    joined = run(
        "INSERT INTO joined(arm, at, segment, place, label_segment, label_place, item, correction)"
        " SELECT f.arm, ?, f.segment, f.place, l.segment, l.place, l.item, 0"
        " FROM fresh f JOIN label l USING(key) WHERE l.size = f.size ORDER BY l.segment, l.place, l.item, f.arm",
        (now,),
    ).rowcount
    misfits = run("SELECT count(*) FROM fresh f JOIN label l USING(key) WHERE l.size <> f.size").fetchone()[0]
    run("UPDATE label SET pending = 0 WHERE pending AND key IN (SELECT key FROM fresh)")
    added = run("INSERT INTO prediction SELECT * FROM fresh").rowcount
    return {"predictions": added, "joined": joined, "misfits": misfits}


def add_labels(connection: sqlite3.Connection, labels: Iterable[Label], now: float) -> dict[str, int]:
    """Take in labels in the order in which they came, and join those whose predictions are there.

    In force is the label with the latest time; of two with the same, the one that came last; of two that came at once,
    the one with the larger number. So the order in which they are read does not decide.

    Returns:
        What to count.
    """
    run = connection.execute
    run("DELETE FROM best")
    came = _Counted(labels)
    connection.executemany(
        "INSERT INTO best VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET at = excluded.at,"
        " digest = excluded.digest, segment = excluded.segment, place = excluded.place, item = excluded.item,"
        " size = excluded.size, arrived = excluded.arrived, n = excluded.n, sender = excluded.sender"
        " WHERE (excluded.at, excluded.arrived, excluded.digest) > (best.at, best.arrived, best.digest)",
        came,
    )
    run(
        "DELETE FROM best WHERE EXISTS(SELECT 1 FROM label l WHERE l.key = best.key"
        " AND (l.at, l.arrived, l.digest) >= (best.at, best.arrived, best.digest))"
    )
    joined = run(
        "INSERT INTO joined(arm, at, segment, place, label_segment, label_place, item, correction)"
        " SELECT p.arm, ?, p.segment, p.place, b.segment, b.place, b.item, l.key IS NOT NULL AND l.size = p.size"
        " FROM best b JOIN prediction p USING(key) LEFT JOIN label l USING(key)"
        " WHERE (l.key IS NULL OR l.digest <> b.digest) AND p.size = b.size ORDER BY b.n, p.arm",
        (now,),
    ).rowcount
    misfits = run(
        "SELECT count(*) FROM best b JOIN prediction p USING(key) LEFT JOIN label l USING(key)"
        " WHERE (l.key IS NULL OR l.digest <> b.digest) AND p.size <> b.size"
    ).fetchone()[0]
    corrected = run("SELECT count(*) FROM best b JOIN label l USING(key) WHERE l.digest <> b.digest").fetchone()[0]
    first = run("SELECT count(*) FROM best b LEFT JOIN label l USING(key) WHERE l.key IS NULL").fetchone()[0]
    run(
        "INSERT INTO label SELECT key, at, digest, segment, place, item, size, arrived,"
        " NOT EXISTS(SELECT 1 FROM prediction p WHERE p.key = best.key), sender FROM best WHERE true"
        " ON CONFLICT(key) DO UPDATE SET at = excluded.at, digest = excluded.digest, segment = excluded.segment,"
        " place = excluded.place, item = excluded.item, size = excluded.size, arrived = excluded.arrived,"
        " sender = excluded.sender"
    )
    repeated = came.n - first - corrected
    return {"labels": came.n, "repeated": repeated, "corrected": corrected, "joined": joined, "misfits": misfits}


def bound_pending(connection: sqlite3.Connection, most: int) -> int:
    """Give up the oldest of the labels that wait, of each who sent some in this step and has more than so many waiting.

    Labels of ids that nobody knows cost room until their time is over; who sends them by the million loses their own.
    """
    run, given_up = connection.execute, 0
    for (sender,) in run("SELECT DISTINCT sender FROM best").fetchall():
        waiting = run("SELECT count(*) FROM label WHERE pending AND sender = ?", (sender,)).fetchone()[0]
        if waiting > most:
            oldest = "SELECT key FROM label WHERE pending AND sender = ? ORDER BY arrived LIMIT ?"
            given_up += run(f"DELETE FROM label WHERE key IN ({oldest})", (sender, waiting - most)).rowcount  # noqa: S608
    return given_up


class _Counted:
    """Counts what is taken from an iterable."""

    def __init__(self, items: Iterable[Label]) -> None:
        self._items = iter(items)
        self.n = 0

    def __iter__(self) -> Iterator[Label]:
        return self

    def __next__(self) -> Label:
        item = next(self._items)
        self.n += 1
        return item


def forget_pending(connection: sqlite3.Connection, before: float) -> int:
    """Give up labels that have been waiting since before a time for predictions that nobody knows."""
    return connection.execute("DELETE FROM label WHERE pending AND arrived < ?", (before,)).rowcount


def forget_old(connection: sqlite3.Connection, before: float, part: int, parts: int) -> None:
    """Forget what lies in segments whose newest record is older than a time, in one of some equal parts of all keys.

    Args:
        connection: Of the file.
        before: Unix seconds.
        part: Which part, from 0.
        parts: How many there are.
    """
    width = 2**64 // parts
    low = -(2**63) + part * width
    keys_and_age = (low, low + width - 1, before)
    connection.execute(
        "DELETE FROM prediction WHERE key BETWEEN ? AND ? AND segment IN (SELECT id FROM segment WHERE newest < ?)",
        keys_and_age,
    )
    connection.execute(
        "DELETE FROM label WHERE key BETWEEN ? AND ? AND segment IN (SELECT id FROM segment WHERE newest < ?)",
        keys_and_age,
    )
    connection.execute(
        "DELETE FROM joined WHERE number IN (SELECT number FROM joined ORDER BY number LIMIT 10000) AND at < ?",
        (before,),
    )
