from __future__ import annotations

from dataclasses import replace

import pytest

from falaj.dataplane.agent.rollouts.labelled import (
    is_comparable,
    quality_of,
    with_blocks_closed,
    with_labels,
    with_pairs,
    with_scores,
)
from falaj.dataplane.agent.rollouts.units import Units
from falaj.statistics.rollout import RolloutState
from falaj.statistics.rollout.analysis.label_blocks import LabelSums
from falaj.statistics.rollout.analysis.verdict import SHIFTED
from tests.dataplane.rollouts.made import joined, judged_record, plan, prediction

CANARY = judged_record(plan(metrics=["brier"]))
SHADOW = judged_record(plan("shadow", metrics=["errors", "latency", "brier"]), RolloutState.SHADOWING)
GOOD, BAD = {"probability": [0.9]}, {"probability": [0.1]}


def nothing(_):
    return None


def means(record, metric="brier"):
    """How many labels each arm has that wait for their block to close, and its mean loss."""
    sums = sum(
        (part for block in record.analysis.label_blocks[metric].open for part in block.sums.values()), LabelSums()
    )
    return [(count, total / count if count else None) for count, total in zip(sums.count, sums.total, strict=True)]


def test_labels_count_for_the_arm_that_answered_under_the_weight_of_then() -> None:
    labels = [joined(prediction("a", 1, GOOD), 1), joined(prediction("b", 2, BAD), 1)]
    assert means(with_labels(CANARY, labels, nothing, 300.0)) == [(1, pytest.approx(0.01)), (1, pytest.approx(0.81))]


@pytest.mark.parametrize(
    "label",
    [
        joined(prediction("a", 2, BAD), 1, correction=True),
        joined(prediction("a", 2, BAD, forced=True), 1),
        joined(prediction("a", 2, BAD, weight=None), 1),
        joined(prediction("a", 2, BAD, arm="shadow"), 1),
        joined(prediction("a", 2, BAD, at=99.0), 1),
        joined(prediction("a", 7, BAD, arm="candidate"), 1),
        joined(prediction("a", 2, BAD), None),
        joined(prediction("a", 2, {"label": ["yes"]}), 1),
    ],
    ids=["corrected", "forced", "no weight", "a shadow", "too early", "another release", "no label", "no loss"],
)
def test_labels_that_say_nothing_fair_are_left_out(label) -> None:
    assert means(with_labels(CANARY, [label], nothing, 300.0)) == [(0, None), (0, None)]


def test_a_request_with_many_rows_is_one_with_the_mean_of_the_labelled_ones() -> None:
    many = prediction("a", 2, {"probability": [0.9, 0.1, 0.5]}, rows=(("AA", 1.0),) * 3)
    assert means(with_labels(CANARY, [joined(many, [1, 1, None])], nothing, 300.0))[1] == (1, pytest.approx(0.41))


def test_a_shadow_is_compared_with_the_stable_answer_to_the_same_request() -> None:
    copies = [joined(prediction(name, 2, BAD, arm="shadow"), 1) for name in ("a", "unanswered")]
    answers = {"a": prediction("a", 1, GOOD)}
    labelled_record = with_labels(SHADOW, [*copies, joined(prediction("a", 1, GOOD), 1)], answers.get, 300.0)
    assert means(labelled_record) == [(1, pytest.approx(0.01)), (1, pytest.approx(0.81))], "one pair"


def test_a_sticky_unit_has_one_label_in_a_rollout(tmp_path) -> None:
    units = Units(tmp_path)

    def once(test, labels):
        return units.first(f"r1.{test}", labels, lambda each: each.unit)

    def labels(at, count):
        return [joined(prediction(f"{at}-{n}", 1 + n % 2, GOOD, at=at, unit=n % 4), 1) for n in range(count)]

    record = with_labels(CANARY, labels(200.0, 40), nothing, 300.0, once)
    assert means(record) == [(2, pytest.approx(0.01))] * 2
    assert means(with_labels(record, labels(250.0, 8), nothing, 300.0, once)) == means(record)
    holdback_record = replace(record, ramp=record.analysis, analysis=record.analysis, holdback_at=260.0)
    assert (
        with_labels(holdback_record, labels(270.0, 8), nothing, 300.0, once).analysis.labels["brier"].total()[0].sum()
        == 8
    )


def test_which_arm_labels_come_from_is_tested_by_their_age_and_outcome() -> None:
    labels = [
        joined(prediction("a", 1, GOOD), 1),
        joined(prediction("b", 2, BAD), 1),
        joined(prediction("c", 2, BAD), 0),
    ]
    arrival_counts = with_labels(CANARY, labels, nothing, 300.0).analysis.arrivals
    assert arrival_counts.counts == {(4, 1): {0.1: (1, 1)}, (4, 0): {0.1: (0, 1)}}


def test_labels_belong_to_the_block_in_which_was_predicted_and_wait_for_it_to_close() -> None:
    record = judged_record(plan(metrics=["brier"], label_block_s=10.0))
    labels = [
        joined(prediction(f"{at}-{release}", release, GOOD, at=at), 1) for at in (201.0, 215.0) for release in (1, 2)
    ]
    waiting = with_labels(record, labels, nothing, 219.0)
    assert waiting.analysis.bets["brier"].past.blocks == 1, "of the block that is over"
    assert means(waiting) == [(1, pytest.approx(0.01))] * 2
    assert with_blocks_closed(waiting, 219.5) is waiting
    later = with_blocks_closed(waiting, 230.0)
    assert later.analysis.bets["brier"].past.blocks == 2, "no label came for half a block"


def test_of_two_answers_both_failures_and_latencies_are_counted() -> None:
    pair = (prediction("a", 1, GOOD), prediction("a", 2, GOOD, arm="shadow", latency_s=None))
    paired_record = with_pairs(SHADOW, [pair] * 3, failed=2, refused=1, now=300.0)
    errors = paired_record.verdict().metrics[0]
    assert (errors.events, errors.requests, paired_record.answered) == ((1, 2), (6, 6), (6, 6))
    assert with_pairs(SHADOW, [], 0, 0, 300.0) is SHADOW


PAST = [each / 100 for each in range(100)]


def score(of):
    """Rows of (stable, candidate) in the bins of scores, and in all."""
    counts = of.analysis.requests.total()
    return counts[1:].sum(axis=0).tolist(), counts[0].tolist()


def test_scores_of_both_arms_are_counted_apart_from_requests() -> None:
    record = judged_record(plan(metrics=["predictions"]), past=PAST)
    answers = [prediction("a", 1, GOOD), prediction("b", 2, BAD), prediction("c", 2, {"label": ["x"]})]
    assert score(with_scores(record, answers, 300.0)) == ([1, 1], [0, 0]), "a label that is not a number is in no bin"


def test_scores_that_say_nothing_fair_are_left_out() -> None:
    record = judged_record(plan(metrics=["predictions"], burn_in_s=60.0), past=PAST)
    unfair = [prediction("a", 2, BAD, forced=True), prediction("b", 2, BAD, weight=None), prediction("c", 7, BAD),
              prediction("d", 2, BAD, arm="shadow"), prediction("e", 2, BAD, at=159.0)]  # fmt: skip
    assert [is_comparable(record, each) for each in unfair] == [False] * 5
    assert is_comparable(record, prediction("f", 2, BAD)) and is_comparable(record, prediction("g", 1, BAD))


def test_what_a_shadow_predicts_otherwise_is_noticed() -> None:
    record = judged_record(plan("shadow", metrics=["errors", "predictions"]), RolloutState.SHADOWING, past=PAST)
    pairs = [(prediction(str(n), 1, GOOD), prediction(str(n), 2, BAD, arm="shadow")) for n in range(60)]
    assert with_pairs(record, pairs[:2], 0, 0, 300.0).verdict().pause is None
    assert with_pairs(record, pairs, 0, 0, 300.0).verdict().pause == SHIFTED


def test_only_losses_are_quality() -> None:
    assert quality_of(SHADOW) == ["brier"]
    assert quality_of(replace(SHADOW, analysis=None)) == []
