"""The thread that counts the prediction log and tells the control plane what it counted."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

from falaj.core.errors import FalajError
from falaj.dataplane.agent.profiling import blocks
from falaj.dataplane.agent.profiling.blocks import ANSWERED, SHADOW, ArmKey, OpenProfileBlocks
from falaj.dataplane.agent.profiling.message import message_of
from falaj.dataplane.agent.profiling.profile_store import ProfileStore
from falaj.dataplane.agent.profiling.references import References
from falaj.dataplane.agent.profiling.tallies import losses_of, mistakes_of, scores_of
from falaj.dataplane.background import Background, keep_running
from falaj.dataplane.label_join import JoinedLabel, LabelJoin
from falaj.dataplane.prediction_log import LogKeys, PredictionRecord, columns_of, tail
from falaj.statistics.recalibration.selection import ScoreDay
from falaj.statistics.reference import ReleaseReference

LOOK_S = 1.0
SETTLE_S = 5.0
"""So long after its end a block is closed, in which replicas write what they were answering."""
GROWING_S = 60.0
BATCH, JOINED_BATCH, SENT_BLOCKS, SENT_RUNS = 10_000, 2_000, 100, 1_000
FEW = 50
JUST_S, SOON_S = 1.0, 60.0
"""A prediction of the last second may not have been counted; one of far in the future has a clock that is wrong."""
FORGET_S = 300.0
_log = logging.getLogger(__name__)
Send = Callable[[Mapping[str, Any]], None]


class Profiling:
    """Counts the log of a location and sends what it counted; used by one thread.

    Args:
        book: What was counted.
        log: The log folder.
        keys: For encrypted segments.
        join: The labels of the location; None where they are not joined.
        references: Of its releases.
        send: Gives a report to the control plane.
        clock: Unix time.
        growing_s: How often blocks are told that still grow, in seconds.
        settle_s: How long after its end a block is closed, in seconds.
    """

    def __init__(
        self,
        book: ProfileStore,
        log: Path,
        keys: LogKeys | None,
        join: LabelJoin | None,
        references: References,
        send: Send,
        clock: Callable[[], float] = time.time,
        *,
        growing_s: float = GROWING_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._book, self._log, self._keys, self._join = book, log, keys, join
        self._references, self._send, self._clock = references, send, clock
        self._growing_s, self._settle_s = growing_s, settle_s
        self._arms = book.arms()
        self._told_growing = clock()
        self._forgot = clock()

    def close(self) -> None:
        """Close the files."""
        self._book.close()
        if self._join:
            self._join.close()

    def look(self) -> int:
        """Count what was logged and labelled since the last look, close what is over.

        Returns:
            How many predictions there were.
        """
        count, started = 0, self._clock()
        self._references.refresh()
        while batch_count := self._count():
            count += batch_count
            if batch_count < FEW:
                break
        self._close(started - self._settle_s)
        while self._count_losses(started) == JOINED_BATCH:
            pass
        return count

    def _count(self) -> int:
        """A part of the log, in one transaction with the position behind it."""
        position = self._book.meta("position") or {}
        records, behind = tail(self._log, position, self._keys, limit=BATCH)
        if behind == position:
            return 0
        arms, now = dict(self._arms), self._clock()
        scores: list[tuple[ArmKey, list[ScoreDay]]] = []
        for (key, _), part in _grouped(records).items():
            reference, columns = self._references.of(key.release), columns_of(part, bare=True)
            arms[key] = blocks.counted(arms.get(key, OpenProfileBlocks()), columns, reference, now)
            scores.append((key, blocks.score_days(columns, reference)))
        self._keep(arms, {"position": behind}, scores)
        return len(records)

    def _close(self, until: float) -> None:
        arms = {key: blocks.closed(arm, until, self._reference(key)) for key, arm in self._arms.items()}
        if arms != self._arms:
            self._keep(arms, {})

    def _reference(self, key: ArmKey) -> ReleaseReference | None:
        return self._references.of(key.release)

    def _keep(
        self,
        arms: Mapping[ArmKey, OpenProfileBlocks],
        meta: Mapping[str, Any],
        scores: Sequence[tuple[ArmKey, Sequence[ScoreDay]]] = (),
    ) -> None:
        with self._book.writing():
            for key, arm in arms.items():
                if arm != self._arms.get(key):
                    self._book.keep(key, arm, self._arms.get(key))
            for key, days in scores:
                self._book.add_scores(key.endpoint, key.release, days)
            for name, value in meta.items():
                self._book.remember(name, value)
        self._arms = {key: blocks.without_final(arm) for key, arm in arms.items()}

    def _count_losses(self, counted_at: float) -> int:
        """A part of what was joined, in one transaction with the number behind it.

        The join may already know predictions that were logged after the look at the log: they wait for the next one.
        """
        if self._join is None:
            return 0
        after = self._book.meta("joined") or 0
        joined, behind = self._join.read(after, limit=JOINED_BATCH)
        ready = list(takewhile(lambda each: not 0 < each.predicted_at - counted_at + JUST_S < SOON_S, joined))
        if len(ready) < len(joined):
            behind = ready[-1].number if ready else after
        if behind == after:
            return 0
        with self._book.writing():
            for each in ready:
                if not each.forced and not each.correction:  # the first label counts: an earlier loss is not kept
                    self._count_loss(each)
            self._book.remember("joined", behind)
        return len(ready)

    def _count_loss(self, joined: JoinedLabel) -> None:
        reference = self._references.of(joined.release)
        expected = reference.loss if reference else None
        key = ArmKey(joined.endpoint, joined.release, SHADOW if joined.shadow else ANSWERED)
        if expected is None or key not in self._arms:
            return
        labels = joined.label[: len(joined.features)]
        outputs = joined.prediction.bare_outputs  # monitors watch the model, whatever was made of its answers
        losses = losses_of(expected, outputs, labels)
        place = self._book.block_at(key, joined.predicted_at)
        if place is not None:
            number, tally = place
            more = (each(expected, outputs, labels) for each in (mistakes_of, scores_of))
            self._book.keep_tally(number, tally.added(losses, *more))
        times = (joined.predicted_at, joined.labelled_at)
        run, full = self._book.run_of(key).added(losses, *times, expected.block_rows)
        self._book.keep_run(key, run, full)

    def report(self) -> int:
        """Tell the control plane what it does not have.

        Returns:
            How many blocks it was told of.

        Raises:
            LocationError: It does not answer; then it is told later.
        """
        count = 0
        while batch_count := self._report(self._book.unsent(SENT_BLOCKS), self._book.runs(SENT_RUNS)):
            count += batch_count
        if self._clock() - self._told_growing >= self._growing_s:
            self._told_growing = self._clock()
            open_to_all = [each for each in self._book.unsent(SENT_BLOCKS, final=False) if not self._least(each.key)]
            count += self._report(open_to_all, [])
        if self._clock() - self._forgot >= FORGET_S:
            self._forget()
        return count

    def _report(self, fresh_blocks: Sequence[Any], runs: Sequence[Any]) -> int:
        if not fresh_blocks and not runs:
            return 0
        block_pairs = [(each, self._least(each.key)) for each in fresh_blocks]
        self._send(message_of(block_pairs, [(key, run) for _, key, run in runs], self._clock()))
        self._book.mark_sent(list(fresh_blocks), [number for number, _, _ in runs])
        return len(fresh_blocks) + len(runs)

    def _least(self, key: ArmKey) -> int:
        reference = self._references.of(key.release)
        return reference.settings.least if reference else 0

    def _forget(self) -> None:
        self._forgot = self._clock()
        if lost := self._book.forget():
            _log.warning("profiles.lost blocks=%d reason=the control plane was silent for too long", lost)


def _grouped(records: Sequence[PredictionRecord]) -> Mapping[Any, list[PredictionRecord]]:
    """Records by arm and features; those that somebody sent to a release on purpose are no sample of the traffic."""
    groups: dict[Any, list[PredictionRecord]] = defaultdict(list)
    for record in records:
        if not record.routing.forced and record.rows:
            header = record.header
            arm = SHADOW if record.routing.shadow else ANSWERED
            groups[ArmKey(header.endpoint, header.release, arm), header.features].append(record)
    return groups


def keep_profiles(opened: Callable[[], Profiling], *, look_s: float = LOOK_S) -> Background:
    """What an agent does beside everything else: count the log, and tell what was counted.

    Args:
        opened: Opens the profiling, in the thread that uses it.
        look_s: How often to look, in seconds.
    """
    return keep_running(lambda: closing(opened()), _look, name="profiles", look_s=look_s)


def _look(profiling: Profiling, stopping: threading.Event, look_s: float) -> None:
    for pause in _pauses(profiling, look_s):
        if stopping.wait(pause):
            return


def _pauses(profiling: Profiling, look_s: float) -> Iterator[float]:
    while True:
        try:
            profiling.look()
        except FalajError as error:  # a reference that is not here yet: the log waits
            _log.info("profiles.not-counted reason=%s", error)
        try:
            profiling.report()
            yield look_s
        except FalajError as error:
            _log.info("profiles.not-told reason=%s", error)
            yield 5 * look_s
