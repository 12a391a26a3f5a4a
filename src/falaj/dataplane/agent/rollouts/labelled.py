"""From labels and from the answers of a shadow to what the analysis counts (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.label_join import JoinedLabel
from falaj.dataplane.prediction_log import PredictionRecord
from falaj.statistics.losses import OF_CLASSES, LossContext, losses, score_of
from falaj.statistics.rollout import WHOLE, RolloutStrategy
from falaj.statistics.rollout.analysis import Analysis, Batch, MetricKind

Answer = Callable[[str], PredictionRecord | None]
"""What the stable release answered to a request."""
Once = Callable[[str, Sequence[JoinedLabel]], Sequence[JoinedLabel]]
"""Leaves of the labels of a test one of each sticky unit."""
Pair = tuple[PredictionRecord, PredictionRecord]
"""The answers of the stable release and of the shadow to one request."""
SHADOWED = (RolloutStrategy.SHADOW, RolloutStrategy.CHALLENGER)


def quality_of(record: RolloutRecord) -> list[str]:
    """Names of the losses that a rollout is judged by."""
    kinds = (MetricKind.QUALITY, MetricKind.QUALITY_PAIRED)
    return [spec.name for spec in record.analysis.plan.of_kind(*kinds)] if record.analysis else []


def with_labels(
    record: RolloutRecord,
    joined: Sequence[JoinedLabel],
    stable_answer: Answer,
    now: float,
    once: Once = lambda _test, labels: labels,
) -> RolloutRecord:
    """The record after counting labels.

    A request counts once: what a later correction says is for the monitors. A request with many rows is one, with the
    mean loss of those that have a label. Labels of what was predicted before the holdback count for the steps.

    Args:
        record: Of a rollout with an analysis.
        joined: Labels of its endpoint with what they are about.
        stable_answer: Finds the other answer to a request that was copied.
        now: Unix seconds.
        once: Leaves of the labels of a test, by its name, one of each sticky unit.
    """
    if any(metric in OF_CLASSES for metric in quality_of(record)):
        record = replace(record, classes=classes_met(record.classes, joined))
    fresh = [each for each in joined if not each.correction and not each.forced and _is_labelled(each)]
    if record.plan.strategy in SHADOWED:
        return _paired(record, fresh, stable_answer, now, once)
    begins = math.inf if record.holdback_at is None else record.holdback_at
    mine = [each for each in fresh if is_comparable(record, each.prediction)]
    of_steps = once("labels", [each for each in mine if each.predicted_at < begins])
    of_holdback = once("holdback-labels", [each for each in mine if each.predicted_at >= begins])
    steps = record.analysis if record.ramp is None else record.ramp
    if record.ramp is None:
        return replace(record, analysis=_unpaired(record, steps, of_steps, now))
    return replace(
        record,
        ramp=_unpaired(record, steps, of_steps, now),
        analysis=_unpaired(record, record.analysis, of_holdback, now),
    )


def context_of(record: RolloutRecord, metric: str) -> LossContext:
    """What is known beside the answers."""
    spec = record.analysis.plan.named(metric) if record.analysis else None
    return LossContext(record.classes, spec.limit, spec.quantile) if spec else LossContext(record.classes)


def classes_met(classes: Sequence[Any], joined: Sequence[JoinedLabel]) -> tuple[Any, ...]:
    """The classes of a model after more labels and answers; a number of many is no class."""
    met = (value for each in joined for values in (each.label, each.outputs.get("label", ())) for value in values)
    return LossContext(tuple(classes)).meeting(met).classes


def with_blocks_closed(record: RolloutRecord, now: float) -> RolloutRecord:
    """The record after betting on the blocks of labels that are complete: some are for no more labels coming."""
    closed, ramp = (each.close_label_blocks(now) if each else None for each in (record.analysis, record.ramp))
    return record if closed is record.analysis and ramp is record.ramp else replace(record, analysis=closed, ramp=ramp)


def release_of(record: PredictionRecord) -> int:
    """Number of the release that made a prediction."""
    return int(record.header.release.rpartition("@")[2])


def _is_labelled(joined: JoinedLabel) -> bool:
    return any(label is not None for label in joined.label)


def _unpaired(
    record: RolloutRecord, analysis: Analysis | None, mine: Sequence[JoinedLabel], now: float
) -> Analysis | None:
    candidate = np.array([release_of(each.prediction) == record.plan.candidate for each in mine], dtype=bool)
    weight = np.array([(each.weight or 0) / WHOLE for each in mine])
    if mine and analysis is not None:
        age_s = np.array([each.label_record.received_at - each.predicted_at for each in mine])
        outcome = [next(label for label in each.label if label is not None) for each in mine]
        analysis = analysis.observe_arrivals(candidate, weight, age_s, outcome, now)
    for metric in quality_of(record) if mine else ():
        assert analysis is not None
        context = context_of(record, metric)
        loss = np.array([_loss(metric, each, context) for each in mine])
        at_s = np.array([each.predicted_at for each in mine])
        mask = ~np.isnan(loss)
        analysis = analysis.observe_losses(metric, candidate[mask], weight[mask], loss[mask], now, at_s[mask])
    return analysis


def _paired(
    record: RolloutRecord, joined: Sequence[JoinedLabel], stable_answer: Answer, now: float, once: Once
) -> RolloutRecord:
    copies = [each for each in joined if each.shadow and release_of(each.prediction) == record.plan.candidate]
    answers = {each.request_id: other for each in copies if (other := stable_answer(each.request_id)) is not None}
    both = [(each, answers[each.request_id])
            for each in once("labels", [each for each in copies if each.request_id in answers])]  # fmt: skip
    analysis = record.analysis
    for metric in quality_of(record) if both else ():
        assert analysis is not None
        context = context_of(record, metric)
        mine = np.array([_loss(metric, each, context) for each, _ in both])
        theirs = np.array([_mean(losses(metric, other.outputs, each.label, context)) for each, other in both])
        mask = ~np.isnan(mine) & ~np.isnan(theirs)
        if mask.any():
            at_s = np.array([each.predicted_at for each, _ in both])
            analysis = analysis.observe_paired(metric, theirs[mask], mine[mask], now, at_s[mask])
    return replace(record, analysis=analysis)


def with_pairs(record: RolloutRecord, pairs: Sequence[Pair], failed: int, refused: int, now: float) -> RolloutRecord:
    """The record after comparing answers to the same requests.

    Args:
        record: Of a shadow.
        pairs: What both answered.
        failed: Copies that the shadow did not answer.
        refused: Requests that the stable release did not answer.
        now: Unix seconds.
    """
    if record.analysis is None or not (pairs or failed or refused):
        return record
    error_stable = np.repeat([False, False, True], [len(pairs), failed, refused])
    error_shadow = np.repeat([False, True, False], [len(pairs), failed, refused])
    unknown = np.full(failed + refused, np.nan)  # where only one of them answered, no latencies are compared
    stable_ms = np.concatenate(([_latency_ms(stable) for stable, _ in pairs], unknown))
    shadow_ms = np.concatenate(([_latency_ms(shadow) for _, shadow in pairs], unknown))
    batch = Batch.of_pairs(error_stable, error_shadow, stable_ms, shadow_ms)
    answered = (record.answered[0] + len(error_stable), record.answered[1] + len(error_stable))
    analysis = record.analysis.update(batch, now)
    if pairs and is_judged_by_scores(record):
        analysis = _scores_of(analysis, pairs, now)
    return replace(record, answered=answered, analysis=analysis)


def with_scores(record: RolloutRecord, answers: Sequence[PredictionRecord], now: float) -> RolloutRecord:
    """The record of a canary after comparing what its arms predict.

    Of a request with many rows the first one counts: a request is one observation.

    Args:
        record: Of a rollout.
        answers: Predictions of its endpoint that can be judged, each request once.
        now: Unix seconds.
    """
    if record.analysis is None or not answers:
        return record
    candidate = np.array([release_of(each) == record.plan.candidate for each in answers], dtype=bool)
    weight = np.array([(each.routing.weight or 0) / WHOLE for each in answers])
    score = np.array([score_of(each.outputs, 0) for each in answers])
    return replace(record, analysis=record.analysis.observe_scores(candidate, weight, score, now))


def is_comparable(record: RolloutRecord, answer: PredictionRecord) -> bool:
    """Whether chance alone decided which arm of a canary made a prediction, once the candidate was warm."""
    routing, plan = answer.routing, record.plan
    by_chance = bool(routing.weight) and not routing.forced and not routing.shadow
    return by_chance and release_of(answer) in (plan.stable, plan.candidate) and answer.at >= record.judged_from_s


def is_judged_by_scores(record: RolloutRecord) -> bool:
    """Whether a rollout compares what its arms predict."""
    return record.analysis is not None and bool(record.analysis.plan.of_kind(MetricKind.DISTRIBUTION))


def _scores_of(analysis: Analysis, pairs: Sequence[Pair], now: float) -> Analysis:
    """The evidence after comparing what both predicted: each pair is a row of either, at weight one half."""
    score = np.array([score_of(each.outputs, 0) for pair in pairs for each in pair])
    return analysis.observe_scores(np.tile([False, True], len(pairs)), np.full(len(score), 0.5), score, now)


def _latency_ms(record: PredictionRecord) -> float:
    return math.nan if record.routing.latency_s is None else 1000 * record.routing.latency_s


def _loss(metric: str, joined: JoinedLabel, context: LossContext) -> float:
    return _mean(losses(metric, joined.outputs, joined.label, context))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return fmean(finite) if finite else math.nan
