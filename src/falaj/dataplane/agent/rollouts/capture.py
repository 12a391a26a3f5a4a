"""The slice of the traffic on which a candidate failed: found, described, and cut out, to become a gate (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from falaj.dataplane.agent.rollouts.labelled import SHADOWED, Answer, context_of, release_of
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.label_join import JoinedLabel
from falaj.statistics.losses import OF_CLASSES, losses
from falaj.statistics.rollout import WHOLE
from falaj.statistics.rollout.segments import Columns, Predicate, Segment, SegmentRowsError, contrast_arms, find_segment

MOST_ROWS = 2_000
LEAST_ROWS = 30
"""A gate on fewer rows would say little of a candidate."""


@dataclass(frozen=True)
class Capture:
    """What a rollback leaves for every later candidate.

    Args:
        metric: The loss that it failed by.
        predicate: Which requests: `carrier == "EV"`, or `all rows`.
        limit: What a later candidate's mean loss on these rows may be: halfway between what the stable release had and
            what the failed candidate had.
        stable: Mean loss of the stable release on such rows.
        candidate: Mean loss of the failed candidate on such rows.
        held_out_p: Corrected p-value of the segment on rows that were not searched; 1 where no segment was found.
        columns: Names of the features.
        rows: Features of each request, in the order of `columns`.
        labels: What really happened, one a row.
    """

    metric: str
    predicate: str
    limit: float
    stable: float
    candidate: float
    held_out_p: float
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    labels: tuple[Any, ...]

    def to_json(self, *, with_rows: bool) -> dict[str, Any]:
        """As JSON values; without rows, what may leave a place whose data must stay."""
        document = asdict(self)
        return document if with_rows else {**document, "rows": [], "labels": []}


def capture(record: RolloutRecord, joined: Sequence[JoinedLabel], stable_answer: Answer) -> Capture | None:
    """Cut the failing slice out of the labelled requests of a rollout that ended badly.

    Args:
        record: Of the rollout.
        joined: Labelled requests of its endpoint.
        stable_answer: Finds the other answer to a request that was copied.

    Returns:
        None when no loss was the culprit or too few rows are known.
    """
    metric = next((name for name in record.rollout.culprits if name in OF_CLASSES), None)
    mine = _in_force([each for each in joined if _belongs(record, each)])
    if metric is None or len(mine) < LEAST_ROWS:
        return None
    names, losses_of = tuple(mine[0].prediction.header.features), _Losses(record, metric)
    if record.plan.strategy in SHADOWED:
        bad, good = losses_of.pairs(mine, stable_answer)
        columns, contrast, block = bad.columns(names), bad.loss - good.loss, bad.block
    else:
        bad, good = (losses_of.answers([each for each in mine if release_of(each.prediction) == number])
                     for number in (record.plan.candidate, record.plan.stable))  # fmt: skip
        if not bad.rows or not good.rows:
            return None
        columns, contrast = contrast_arms(
            bad.columns(names), bad.loss, bad.weight, good.columns(names), good.loss, good.weight
        )
        block = np.concatenate([bad.block, good.block])
    segment = _segment(columns, contrast, block)
    predicate = segment.predicate if segment else Predicate(())
    return _cut(metric, predicate, segment.held_out_p if segment else 1.0, names, bad, good)


def _belongs(record: RolloutRecord, joined: JoinedLabel) -> bool:
    plan, since = record.plan, record.ready_at or math.inf
    return joined.predicted_at >= since and release_of(joined.prediction) in (plan.stable, plan.candidate)


def _in_force(joined: Sequence[JoinedLabel]) -> list[JoinedLabel]:
    """Each prediction once, with the label that was said last."""
    return list({(each.request_id, each.release): each for each in joined}.values())


def _segment(columns: Columns, contrast: np.ndarray, block: np.ndarray) -> Segment | None:
    try:  # the same rows give the same segment
        return find_segment(columns, contrast, rng=np.random.default_rng(0), blocks=block)
    except SegmentRowsError:
        return None


@dataclass(frozen=True)
class _Answers:
    """Rows that one release answered, what really happened, how wrong that was, its chance to be asked, and when."""

    rows: tuple[tuple[Any, ...], ...]
    labels: tuple[Any, ...]
    loss: np.ndarray
    weight: np.ndarray
    block: np.ndarray

    def columns(self, names: Sequence[str]) -> Columns:
        return {name: [row[place] for row in self.rows] for place, name in enumerate(names)}

    def within(self, inside: np.ndarray) -> _Answers:
        chosen = np.flatnonzero(inside)
        rows, labels = (tuple(values[place] for place in chosen) for values in (self.rows, self.labels))
        return _Answers(rows, labels, self.loss[chosen], self.weight[chosen], self.block[chosen])


@dataclass(frozen=True)
class _Losses:
    """How labelled requests become rows with a loss."""

    record: RolloutRecord
    metric: str

    def answers(self, joined: Sequence[JoinedLabel]) -> _Answers:
        """What one release answered by chance."""
        by_chance = [each for each in joined if not each.forced and 0 < (each.weight or 0) < WHOLE]
        answer_losses = self._rows(by_chance, [each.outputs for each in by_chance])
        return answer_losses.within(~np.isnan(answer_losses.loss))

    def pairs(self, joined: Sequence[JoinedLabel], stable_answer: Answer) -> tuple[_Answers, _Answers]:
        """The answers of a shadow, and those of the stable release to the same requests."""
        both = [(each, other) for each in joined if each.shadow and (other := stable_answer(each.request_id))]
        copies = [each for each, _ in both]
        bad = self._rows(copies, [each.outputs for each in copies])
        good = self._rows(copies, [other.outputs for _, other in both])
        mask = ~(np.isnan(bad.loss) | np.isnan(good.loss))
        return bad.within(mask), good.within(mask)

    def _rows(self, joined: Sequence[JoinedLabel], outputs: Sequence[Mapping[str, Sequence[Any]]]) -> _Answers:
        context, length_s = context_of(self.record, self.metric), self.record.plan.label_block_s
        loss = [losses(self.metric, of, each.label, context) for each, of in zip(joined, outputs, strict=True)]
        labelled = [len(each.label) for each in joined]
        return _Answers(
            tuple(tuple(row) for each in joined for row in each.features),
            tuple(label for each in joined for label in each.label),
            np.array([value for of_request in loss for value in of_request], dtype=float),
            np.repeat([(each.weight or 0) / WHOLE for each in joined], labelled),
            np.repeat([int(each.predicted_at // length_s) for each in joined], labelled),
        )


def _cut(
    metric: str, predicate: Predicate, p: float, names: tuple[str, ...], bad: _Answers, good: _Answers
) -> Capture | None:
    inside = [each.within(np.asarray(predicate.mask(each.columns(names)))) for each in (bad, good)]
    if not all(each.rows for each in inside):
        return None
    candidate, stable = (float(each.loss.mean()) for each in inside)
    rows, labels = (inside[0].rows, inside[0].labels) if bad.rows == good.rows else (
        inside[0].rows + inside[1].rows, inside[0].labels + inside[1].labels)  # fmt: skip
    if len(rows) < LEAST_ROWS:
        return None
    return Capture(
        metric, predicate.text, round((candidate + stable) / 2, 4), round(stable, 4), round(candidate, 4), p, names,
        rows[-MOST_ROWS:], labels[-MOST_ROWS:],
    )  # fmt: skip
