"""The join: what has come since, and reading what came together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.core.sqlite_transactions import writing
from falaj.dataplane.label_join import steps
from falaj.dataplane.label_join.database import open_database, reading
from falaj.dataplane.label_join.id_hashing import size_of
from falaj.dataplane.label_join.join_state import Register
from falaj.dataplane.label_join.joined import JoinedLabel
from falaj.dataplane.prediction_log import (
    LABELS,
    PREDICTIONS,
    LabelRecord,
    LogKeys,
    Lookup,
    PredictionRecord,
    TailedRecord,
    follow,
    labels_of,
)
from falaj.dataplane.prediction_log.format import record_of
from falaj.dataplane.prediction_log.routing import SHADOW

_PARTS = 1024
_JOINED = """
SELECT j.number, s.path, j.place, t.path, j.label_place, j.item, j.correction FROM joined j
JOIN segment s ON s.id = j.segment JOIN segment t ON t.id = j.label_segment
WHERE j.number > ? AND (? IS NULL OR j.arm IN (SELECT id FROM arm WHERE endpoint = ?)) ORDER BY j.number LIMIT ?
"""


@dataclass(frozen=True)
class JoinLimits:
    """How long things are remembered.

    Args:
        pending_s: How long a label waits for its prediction.
        kept_s: How long a prediction waits for its label, and a label for its correction.
        pending_of_sender: How many labels of one sender wait for their predictions; then the oldest are given up.
    """

    pending_s: float = 7 * 86_400.0
    pending_of_sender: int = 1_000_000
    kept_s: float = 90 * 86_400.0


@dataclass(frozen=True)
class JoinCounts:
    """What a location's join has seen since its beginning.

    Args:
        predictions: Read from the log; those of shadows are counted as well.
        labels: Read from the log.
        joined: Predictions that got a label or a corrected one.
        corrected: Labels that took the place of another value that had been read before.
        repeated: Labels that changed nothing: said before, older than the one in force, or corrected in the same look.
        misfits: Labels that speak of another number of rows than their prediction has.
        pending: Labels that wait for their prediction now.
        expired: Labels that waited in vain.
    """

    predictions: int = 0
    labels: int = 0
    joined: int = 0
    corrected: int = 0
    repeated: int = 0
    misfits: int = 0
    pending: int = 0
    expired: int = 0


class LabelJoin:
    """Joins the labels of a location with its predictions. An object is used by one thread; there may be several.

    Args:
        path: Its file, where the writers of the log cannot reach it.
        folder: The log folder.
        keys: For encrypted segments.
        limits: How long things are remembered.
        clock: Unix time.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        keys: LogKeys | None = None,
        limits: JoinLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._keys, self._clock = folder, keys, clock
        self._limits = limits or JoinLimits()
        self._db = open_database(path)
        self._register = Register(self._db, keys)
        self._lookup = Lookup(folder, keys)

    def __enter__(self) -> LabelJoin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._lookup.close()
        self._db.close()

    def advance(self) -> int:
        """Take in what was logged since; what a killed process began is begun again.

        Returns:
            How many records of the log there were: predictions, and requests that brought labels.
        """
        total = 0
        while count := self._step():
            total += count
        return total

    def _step(self) -> int:
        """A bounded part of what there is, in one transaction with the positions behind it."""
        register = self._register
        try:
            with writing(self._db):
                predictions, labels, now = self._follow(PREDICTIONS), self._follow(LABELS), self._clock()
                if predictions:
                    register.count(steps.add_predictions(self._db, map(self._prediction, predictions), now))
                if labels:
                    register.count(steps.add_labels(self._db, self._labels(labels), now))
                    register.count({"expired": steps.bound_pending(self._db, self._limits.pending_of_sender)})
                register.note_age([*predictions, *labels])
        except BaseException:
            register.forget_numbers()
            raise
        return len(predictions) + len(labels)

    def forget(self) -> None:
        """Forget a little of what is too old; to be called every minute or so, as a whole round is 1,024 calls."""
        now = self._clock()
        self._lookup.let_go()
        with writing(self._db):
            self._register.count({"expired": steps.forget_pending(self._db, now - self._limits.pending_s)})
            part = int(self._register.get("part") or 0) % _PARTS
            steps.forget_old(self._db, now - self._limits.kept_s, part, _PARTS)
            self._register.set("part", str(part + 1))

    def read(self, after: int = 0, *, endpoint: str | None = None, limit: int = 1_000) -> tuple[list[JoinedLabel], int]:
        """Read what was joined behind a number.

        Args:
            after: What the last call returned; 0 for everything that is remembered. A reader that keeps it together
                with what it made of the batch sees everything once, whatever dies when.
            endpoint: Of one endpoint only.
            limit: How many at most.

        Returns:
            In the order in which labels and predictions came together; and the number to go on from. What lies in
            segments that were removed, or erased with their key, is left out.
        """
        with reading(self._db):
            rows = self._db.execute(_JOINED, (after, endpoint, endpoint, limit)).fetchall()
            last = self._db.execute("SELECT max(number) FROM joined").fetchone()[0]
        return list(self._joined(rows)), rows[-1][0] if len(rows) == limit else max(after, last or 0)

    def last(self) -> int:
        """The number behind everything that was joined until now; where a reader begins who wants the future only."""
        with reading(self._db):
            return int(self._db.execute("SELECT max(number) FROM joined").fetchone()[0] or 0)

    def batches(
        self, after: int = 0, *, endpoint: str | None = None, limit: int = 1_000
    ) -> Iterator[Sequence[JoinedLabel]]:
        """All that was joined behind a number, as far as there is any now; see `read`."""
        while True:
            batch, behind = self.read(after, endpoint=endpoint, limit=limit)
            if behind == after:
                return
            after = behind
            if batch:
                yield batch

    def predictions_of(self, endpoint: str, request_id: str) -> list[PredictionRecord]:
        """What was predicted for one request, by the arm that answered and by each shadow; labelled or not."""
        names = self._register.known_names()
        if names is None:
            return []
        places = self._db.execute(
            "SELECT s.path, p.place FROM prediction p JOIN segment s ON s.id = p.segment"
            " WHERE p.key = ? ORDER BY p.arm",
            (names.prediction(endpoint, request_id),),
        ).fetchall()
        return [record_of(*entry) for place in places if (entry := self._lookup.read(*place))]

    def labels(self, endpoint: str, request_ids: Sequence[str]) -> dict[str, LabelRecord]:
        """The labels in force of some requests, by their ids; without those that have none."""
        names = self._register.known_names()
        if names is None:
            return {}
        keys = {names.prediction(endpoint, request_id): request_id for request_id in request_ids}
        self._db.execute("DELETE FROM wanted")
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES(?)", ((key,) for key in keys))
        rows = self._db.execute(
            "SELECT l.key, s.path, l.place, l.item FROM wanted JOIN label l USING(key)"
            " JOIN segment s ON s.id = l.segment ORDER BY l.segment, l.place"
        ).fetchall()
        labels_by_place = self._labels_at({(row[1], row[2]) for row in rows})
        return {
            keys[key]: labels_by_place[path, place][item]
            for key, path, place, item in rows
            if (path, place) in labels_by_place
        }

    def counts(self) -> JoinCounts:
        """What was seen since the beginning."""
        pending = self._db.execute("SELECT count(*) FROM label WHERE pending").fetchone()[0]
        return JoinCounts(**self._register.counted() | {"pending": pending})

    def _joined(self, rows: Sequence[Any]) -> Iterator[JoinedLabel]:
        """Records are read in the order in which they lie, and yielded in that of the rows."""
        predictions = {place: self._lookup.read(*place) for place in sorted({(row[1], row[2]) for row in rows})}
        labels_by_place = self._labels_at({(row[3], row[4]) for row in rows})
        for number, segment, place, label_segment, label_place, item, correction in rows:
            prediction, label = predictions[segment, place], labels_by_place.get((label_segment, label_place))
            if prediction and label:
                yield JoinedLabel(number, record_of(*prediction), label[item], bool(correction))

    def _labels_at(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[LabelRecord]]:
        """The labels of the requests that lie at some places."""
        stored_records = {place: self._lookup.read(*place) for place in sorted(places)}
        return {place: list(labels_of(*record)) for place, record in stored_records.items() if record}

    def _follow(self, kind: str) -> list[TailedRecord]:
        position = json.loads(self._register.get(kind) or "{}")
        entries, behind = follow(self._folder, position, self._keys, kind=kind)
        if behind != position:
            self._register.set(kind, json.dumps(behind))
        return entries

    def _prediction(self, entry: TailedRecord) -> steps.Prediction:
        request_id, _, (features, _outputs, *more), _ = entry.raw
        header, shadow = entry.header, bool(more and more[0] and more[0][0] & SHADOW)
        key = self._register.names(entry).prediction(header.endpoint, request_id)
        arm = self._register.arm(header.endpoint, header.release, shadow=shadow)
        return key, arm, self._register.segment(entry.segment), entry.offset, _rows(features)

    def _labels(self, entries: Sequence[TailedRecord]) -> Iterator[steps.Label]:
        n = 0
        for entry in entries:
            names, segment = self._register.names(entry), self._register.segment(entry.segment)
            for item, label in enumerate(labels_of(entry.header, entry.raw)):
                key, digest = names.prediction(label.endpoint, label.prediction_id), names.label(label.label)
                n += 1
                yield (
                    key, label.at, digest, segment, entry.offset, item, size_of(label.label), label.received_at, n,
                    names.label(label.sender),
                )  # fmt: skip


def _rows(features: Any) -> int:
    """How many rows a record's features have."""
    if not isinstance(features, dict):
        return len(features)
    first = features["columns"][0]
    return int(first["shape"][0]) if isinstance(first, dict) else len(first)
