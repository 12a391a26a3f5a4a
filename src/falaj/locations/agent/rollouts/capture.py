"""The slice of the traffic on which a candidate failed: found, described, and cut out, to become a gate (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from falaj.locations.agent.rollouts.labelled import SHADOWED, Answer, release_of
from falaj.locations.agent.rollouts.record import Record
from falaj.rollout.segments import Columns, Predicate, Segment, SegmentRowsError, contrast_arms, find_segment
from falaj.serving.labels import Joined
from falaj.serving.losses import OF_CLASSES, losses

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
        found = asdict(self)
        return found if with_rows else {**found, "rows": [], "labels": []}


def capture(record: Record, joined: Sequence[Joined], stable_answer: Answer) -> Capture | None:
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
    names = tuple(mine[0].prediction.header.features)
    if record.plan.strategy in SHADOWED:
        bad, good = _paired(metric, mine, stable_answer)
        columns, contrast = bad.columns(names), bad.loss - good.loss
    else:
        bad, good = (_answers(metric, [each for each in mine if release_of(each.prediction) == number])
                     for number in (record.plan.candidate, record.plan.stable))  # fmt: skip
        if not bad.rows or not good.rows:
            return None
        columns, contrast = contrast_arms(bad.columns(names), bad.loss, good.columns(names), good.loss)
    segment = _segment(columns, contrast)
    predicate = segment.predicate if segment else Predicate(())
    return _cut(metric, predicate, segment.held_out_p if segment else 1.0, names, bad, good)


def _belongs(record: Record, joined: Joined) -> bool:
    plan, since = record.plan, record.ready_at or math.inf
    return joined.predicted_at >= since and release_of(joined.prediction) in (plan.stable, plan.candidate)


def _in_force(joined: Sequence[Joined]) -> list[Joined]:
    """Each prediction once, with the label that was said last."""
    return list({(each.request_id, each.release): each for each in joined}.values())


def _segment(columns: Columns, contrast: np.ndarray) -> Segment | None:
    try:
        return find_segment(columns, contrast, rng=np.random.default_rng(0))  # the same rows give the same segment
    except SegmentRowsError:
        return None


@dataclass(frozen=True)
class _Answers:
    """Rows that one release answered, what really happened, and how wrong it was."""

    rows: tuple[tuple[Any, ...], ...]
    labels: tuple[Any, ...]
    loss: np.ndarray

    def columns(self, names: Sequence[str]) -> Columns:
        return {name: [row[place] for row in self.rows] for place, name in enumerate(names)}

    def within(self, inside: np.ndarray) -> _Answers:
        chosen = np.flatnonzero(inside)
        rows, labels = (tuple(values[place] for place in chosen) for values in (self.rows, self.labels))
        return _Answers(rows, labels, self.loss[chosen])


def _answers(metric: str, joined: Sequence[Joined]) -> _Answers:
    rows = tuple(tuple(row) for each in joined for row in each.features)
    labels = tuple(label for each in joined for label in each.label)
    loss = np.array([value for each in joined for value in losses(metric, each.outputs, each.label)], dtype=float)
    found = _Answers(rows, labels, loss)
    return found.within(~np.isnan(loss))


def _paired(metric: str, joined: Sequence[Joined], stable_answer: Answer) -> tuple[_Answers, _Answers]:
    """The answers of a shadow, and those of the stable release to the same requests."""
    both = [(each, other) for each in joined if each.shadow and (other := stable_answer(each.request_id))]
    rows = tuple(tuple(row) for each, _ in both for row in each.features)
    labels = tuple(label for each, _ in both for label in each.label)
    bad, good = (
        np.array([value for outputs, label in answers for value in losses(metric, outputs, label)], dtype=float)
        for answers in ([(each.outputs, each.label) for each, _ in both], [(o.outputs, e.label) for e, o in both])
    )
    known = ~(np.isnan(bad) | np.isnan(good))
    return _Answers(rows, labels, bad).within(known), _Answers(rows, labels, good).within(known)


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
