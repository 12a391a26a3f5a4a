"""Windows through all monitors: nothing fires without a reason, and each cause is told from the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from falaj.control.monitoring.evaluation import (
    MonitorState,
    WindowBlock,
    WindowEvaluation,
    judge,
    measured_loss,
    restored,
)
from falaj.control.monitoring.triage import Cause, TriageAction
from falaj.statistics.profiles import Profile
from falaj.statistics.reference import ReleaseReference
from tests.control.monitoring.evaluation.scene import (
    REFERENCE,
    ROWS,
    Change,
    drawn,
    missing,
    runs,
    score_of,
    shifted,
    tally,
    window,
)


def watched(windows: int, change: Change | None = None, **more: Any) -> list[WindowEvaluation]:
    state, evaluations, losses = MonitorState.begin(3, 100, 0.0), [], []
    for seed in range(10, 10 + windows):
        blocks, loss = window(seed, change, **more)
        losses.append(loss if more.get("labelled") else loss[:0])
        window_evaluation = judge(REFERENCE, blocks, list(runs(losses)), state, now=1000.0 * seed)
        state = MonitorState.from_json(json.loads(json.dumps(window_evaluation.state.to_json())))
        assert state == window_evaluation.state
        json.dumps(window_evaluation.report)
        evaluations.append(window_evaluation)
    return evaluations


def actions(evaluations: list[WindowEvaluation]) -> list[TriageAction]:
    return [each.verdict.action for each in evaluations if each.verdict.act]


def test_windows_like_the_reference_fire_nothing() -> None:
    evaluations = watched(20, labelled=ROWS)
    assert [each.fired for each in evaluations] == [()] * 20
    assert actions(evaluations) == [] and evaluations[-1].state.quiet == 20


def test_a_shift_with_the_loss_held_is_a_note_and_no_more() -> None:
    evaluations = watched(6, shifted, labelled=ROWS)
    assert "drift" in evaluations[-1].fired and "temp" in evaluations[-1].state.drifting
    assert actions(evaluations) == [TriageAction.WATCH]
    assert evaluations[-1].verdict.cause is Cause.COVARIATE_SHIFT
    assert any("drift: at most 1 false alarm in 100 windows" in each for each in evaluations[-1].promises)


def test_a_shift_without_labels_is_held_against_what_scores_mean() -> None:
    state = MonitorState.begin(3, 100, 0.0)
    for first in (10, 30, 50):
        blocks = [window(seed, shifted)[0][0] for seed in range(first, first + 12)]
        window_evaluation = judge(REFERENCE, blocks, [], state, now=1000.0 * first)
        state = window_evaluation.state
    assert window_evaluation.report["loss"]["method"] == "calibrated-confidence"
    assert window_evaluation.verdict.cause is Cause.COVARIATE_SHIFT


def test_missing_values_are_an_incident_at_once() -> None:
    evaluations = watched(3, missing, labelled=ROWS)
    assert actions(evaluations) == [TriageAction.INCIDENT] and evaluations[0].verdict.act
    assert "missing" in " ".join(evaluations[0].verdict.reasons)
    assert evaluations[0].facts.quality[0].source == "weather"


def test_losses_that_rise_ask_for_a_retraining() -> None:
    evaluations = watched(12, labelled=ROWS, flipped=0.7)
    assert actions(evaluations)[0] is TriageAction.RETRAIN
    assert evaluations[-1].verdict.cause is Cause.CONCEPT_DRIFT and "concept" in evaluations[-1].fired
    assert "brier has risen" in evaluations[-1].facts.loss_alarm


def test_what_is_over_is_over() -> None:
    state, causes = MonitorState.begin(3, 100, 0.0), []
    for seed in range(10, 24):
        blocks, _ = window(seed, missing if seed < 13 else None, labelled=ROWS)
        window_evaluation = judge(REFERENCE, blocks, [], state, now=1000.0 * seed)
        state = window_evaluation.state
        causes.append(window_evaluation.verdict.cause)
    assert causes[0] is Cause.UPSTREAM_FAULT and causes[-1] is Cause.NONE
    assert state.quiet >= 5


def test_another_release_begins_anew_and_remembers_the_last_retraining() -> None:
    before = watched(12, labelled=ROWS, flipped=0.7)[-1].state
    after = MonitorState.begin(4, 100, 50_000.0, before)
    assert after.concept.alarm is None and not after.drifting and after.windows == 0
    assert after.episode.cause is Cause.NONE and "retrain" in after.episode.last_done


@pytest.mark.parametrize("rows", [0, 1])
def test_windows_of_few_rows_say_nothing(rows: int) -> None:
    columns = {name: values[:rows] for name, values in drawn(np.random.default_rng(1), 10).items()}
    profile = REFERENCE.features.schema.profile(columns, 0.0, 1.0)
    window_evaluation = judge(
        REFERENCE, [WindowBlock(0.0, 1.0, rows, profile)], [], MonitorState.begin(3, 100, 0.0), 5.0
    )
    assert window_evaluation.fired == () and window_evaluation.verdict.cause is Cause.NONE
    assert all(each["verdict"] == "not_tested" and each["reason"] for each in window_evaluation.report["features"])


def test_blocks_that_only_count_rows_say_nothing() -> None:
    window_evaluation = judge(REFERENCE, [WindowBlock(0.0, 1.0, 40)], [], MonitorState.begin(3, 100, 0.0), 5.0)
    assert window_evaluation.fired == () and window_evaluation.report["features"] == []


def test_counts_that_were_held_back_do_not_look_like_drift() -> None:
    state = MonitorState.begin(3, 100, 0.0)
    for seed in range(10, 25):
        blocks, _ = window(seed, labelled=0)
        restored_blocks = [
            replace(
                block,
                features=block.features.for_export(10) if block.features else None,
                predictions=block.predictions.for_export(10) if block.predictions else None,
                least=10,
            )
            for block in blocks
        ]
        window_evaluation = judge(REFERENCE, restored_blocks, [], state, now=1000.0 * seed)
        state = window_evaluation.state
        assert "drift" not in window_evaluation.fired, seed


def test_restored_counts_are_in_the_middle_of_what_they_may_have_been() -> None:
    profile: Profile = REFERENCE.features.blocks[0]
    restored_profile = restored(profile.for_export(10), REFERENCE.features.total, 10)
    assert restored(profile, REFERENCE.features.total, 0) is profile
    for name, feature_profile in restored_profile.features.items():
        assert sum(feature_profile.counts) == pytest.approx(profile.rows, rel=0.1), name


def test_the_loss_is_not_known_without_labels_where_inputs_are_far() -> None:
    def gone(rng: np.random.Generator, columns: dict[str, Any]) -> None:
        columns["temp"] += 40

    evaluations = watched(4, gone)
    assert evaluations[-1].report["loss"]["method"] == "unknown"
    assert evaluations[-1].verdict.action in (TriageAction.ASK, TriageAction.INCIDENT)


def test_many_blocks_with_labels_are_resampled_as_blocks() -> None:
    tallies = [tally(np.random.default_rng(seed).uniform(0, 0.4, 50)) for seed in range(10)]
    estimate = measured_loss(REFERENCE, tallies, [], far=False, seed=0)
    assert estimate.method == "bootstrap" and estimate.value == pytest.approx(0.2, abs=0.02)
    assert estimate.interval is not None and estimate.interval[0] < 0.2 < estimate.interval[1]


def test_a_release_without_an_expected_loss_says_so() -> None:
    bare: ReleaseReference = replace(REFERENCE, loss=None, calibration=None, predictions=None)
    window_evaluation = judge(bare, window(11)[0], [], MonitorState.begin(3, 100, 0.0), 5.0)
    assert window_evaluation.report["loss"]["reason"] == "the release came without an expected loss"
    assert measured_loss(replace(REFERENCE, calibration=None), [None], [None], far=False, seed=0).value is None


def test_labels_of_high_scores_only_leave_the_loss_unknown_and_are_no_evidence() -> None:
    blocks, loss = window(3)
    counts = blocks[0].predictions.features["prediction"].counts if blocks[0].predictions else ()
    assert sum(counts) == ROWS
    rng = np.random.default_rng(3)
    score = score_of(drawn(rng, ROWS))
    chosen = score > 0.6
    strip = np.minimum(19, (score * 20).astype(int))
    by_score = {
        "score_rows": np.bincount(strip[chosen], minlength=20).tolist(),
        "score_losses": np.bincount(strip[chosen], weights=loss[chosen], minlength=20).tolist(),
    }
    blocks = [replace(blocks[0], losses={**tally(loss[chosen]), **by_score})]
    worse = list(runs([np.ones(600)]))
    window_evaluation = judge(REFERENCE, blocks, worse, MonitorState.begin(1, 100, 0.0), 0.0)
    assert chosen.sum() >= 100
    assert window_evaluation.report["loss"]["method"] == "unknown"
    assert "labels come for some scores only" in window_evaluation.report["loss"]["reason"]
    assert window_evaluation.state.concept == MonitorState.begin(1, 100, 0.0).concept
    assert window_evaluation.state.next_run == len(worse)
