"""What was predicted at a location, as rollouts need it: labels as they come, and both answers to a copied request."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from falaj.core.errors import FalajError
from falaj.dataplane.agent.rollouts.labelled import Pair
from falaj.dataplane.label_join import JoinedLabel, LabelJoin
from falaj.dataplane.prediction_log import LogKeys, Position, PredictionRecord, read_segment, segments, tail

_LABELS_AT_ONCE = 2_000
_COPIES_AT_ONCE = 500
_ANSWERS_AT_ONCE = 2_000
_CAPTURED = 20_000
_WAITING = 5_000
"""So many copies may wait for the other answer to be logged; beyond that, those that were looked for longest ago go."""
_log = logging.getLogger(__name__)


class RolloutPredictions:
    """Reads the prediction log and the join of labels beside it; used by one thread.

    Args:
        folder: Of the prediction log.
        keys: For encrypted segments.
        opened: Opens the join.
    """

    def __init__(self, folder: Path, keys: LogKeys | None, opened: Callable[[], LabelJoin]) -> None:
        self._folder, self._keys, self._opened = folder, keys, opened
        self._join: LabelJoin | None = None
        self._waiting: OrderedDict[tuple[str, int, str], PredictionRecord] = OrderedDict()

    def reopened(self) -> RolloutPredictions:
        """The same predictions and labels for another thread, which closes them."""
        return RolloutPredictions(self._folder, self._keys, self._opened)

    def close(self) -> None:
        """Close the join of labels."""
        if self._join is not None:
            self._join.close()

    def labelled(self, endpoint: str, after: int) -> tuple[Sequence[JoinedLabel], int]:
        """The labels of an endpoint behind a number, and the number to go on from; see `LabelJoin.read`."""
        try:
            return self._opened_join().read(after, endpoint=endpoint, limit=_LABELS_AT_ONCE)
        except (FalajError, OSError, sqlite3.Error) as error:
            _log.warning("rollout.labels-waiting reason=%s", error)
            return (), after

    def all_labelled(self, endpoint: str) -> Sequence[JoinedLabel]:
        """The labelled requests of an endpoint that are remembered, the newest last, up to 20,000."""
        try:
            join = self._opened_join()
            batches = join.batches(max(0, join.last() - _CAPTURED), endpoint=endpoint)
            return [each for batch in batches for each in batch]
        except (FalajError, OSError, sqlite3.Error):
            return ()

    def newest_label(self) -> int:
        """The number behind everything that was joined until now."""
        try:
            return self._opened_join().last()
        except (FalajError, OSError, sqlite3.Error):
            return 0

    def answer(self, endpoint: str, request_id: str, release: int) -> PredictionRecord | None:
        """What a release answered to a request of an endpoint; None while that is not known."""
        try:
            candidates = self._opened_join().predictions_of(endpoint, request_id)
        except (FalajError, OSError, sqlite3.Error):
            return None
        suffix = f"@{release}"
        return next(
            (each for each in candidates if each.header.release.endswith(suffix) and not each.routing.shadow), None
        )

    def recent(self, endpoint: str, release: int, limit: int = 2_000) -> list[PredictionRecord]:
        """Some of what a release answered lately."""
        recent_records: list[PredictionRecord] = []
        for path in reversed(segments(self._folder)):
            try:
                for record in read_segment(path, self._keys):
                    if record.header.endpoint != endpoint or not record.header.release.endswith(f"@{release}"):
                        break
                    recent_records.append(record)
            except FalajError:
                continue
            if len(recent_records) >= limit:
                break
        return recent_records[-limit:]

    def answers(self, endpoint: str, position: Position) -> tuple[list[PredictionRecord], Position]:
        """What the releases of an endpoint predicted, behind a place in the log.

        Args:
            endpoint: `environment/model`.
            position: Where the last call ended.
        """
        records, position = tail(self._folder, position, self._keys, limit=_ANSWERS_AT_ONCE)
        return [record for record in records if record.header.endpoint == endpoint and record.rows], position

    def pairs(self, endpoint: str, arms: tuple[int, int], position: Position) -> tuple[list[Pair], Position]:
        """Both answers to requests that were copied, behind a place in the log.

        Args:
            endpoint: `environment/model`.
            arms: The stable release and the shadow.
            position: Where the last call ended.
        """
        stable, shadow = arms
        records, position = tail(self._folder, position, self._keys, limit=_COPIES_AT_ONCE)
        for record in records:
            mine = record.header.endpoint == endpoint and record.header.release.endswith(f"@{shadow}")
            if mine and record.routing.shadow:
                self._waiting[endpoint, shadow, record.request_id] = record
        while len(self._waiting) > _WAITING:
            self._waiting.popitem(last=False)
        return self._met(endpoint, stable, shadow), position

    def _met(self, endpoint: str, stable: int, shadow: int) -> list[Pair]:
        """Of the copies that wait, those whose other answer is there; one that is not goes to the end of the line."""
        pairs: list[Pair] = []
        mine = (key for key in list(self._waiting) if key[:2] == (endpoint, shadow))
        for key in islice(mine, _COPIES_AT_ONCE):
            if (other := self.answer(endpoint, key[2], stable)) is None:
                self._waiting.move_to_end(key)
                continue
            pairs.append((other, self._waiting.pop(key)))
        return pairs

    def _opened_join(self) -> LabelJoin:
        self._join = self._join or self._opened()
        return self._join
