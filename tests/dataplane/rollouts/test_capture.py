from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from falaj.dataplane.agent.rollouts.capture import LEAST_ROWS, MOST_ROWS, capture
from falaj.statistics.rollout import RolloutProgress, RolloutState
from tests.dataplane.rollouts.made import joined, judged_record, plan, prediction


def failed(kind: str = "canary", culprits: tuple[str, ...] = ("errors", "brier")):
    """A rollout that its loss ended."""
    record = judged_record(plan(kind, metrics=["brier"], label_block_s=1.0))
    return replace(record, rollout=RolloutProgress(RolloutState.ROLLING_BACK, culprits=culprits))


def labels(count: int = 1_200, worse: float = 0.5, only: str = "EV", arm: str = "", seed: int = 3):
    """Answers of both releases; the candidate's are worse for one carrier only, or for all (`only` empty)."""
    rng, joined_labels = np.random.default_rng(seed), []
    for number in range(count):
        release = 2 if arm == "shadow" else 1 + number % 2
        carrier, late = str(rng.choice(["EV", "AA", "UA", "B6"])), int(rng.random() < 0.3)
        bad = release == 2 and only in ("", carrier)
        sure = 0.8 - (worse if bad else 0.0) + rng.normal(0, 0.02)
        outputs = {"probability": [sure if late else 1 - sure]}
        weighted = {} if arm == "shadow" else {"weight": 5_000}
        rows = ((carrier, float(rng.integers(100, 900))),)
        answered = prediction(f"q{number}", release, outputs, arm, rows, at=200.0 + number % 40, **weighted)
        joined_labels.append(joined(answered, late, number=number))
    return joined_labels


def nothing(_):
    return None


def test_the_segment_is_found_and_the_limit_lies_between_the_means() -> None:
    regression_gate = capture(failed(), labels(), nothing)
    assert regression_gate is not None
    assert regression_gate.predicate == 'carrier == "EV"'
    assert regression_gate.stable < regression_gate.limit < regression_gate.candidate
    assert regression_gate.limit == pytest.approx((regression_gate.stable + regression_gate.candidate) / 2, abs=1e-4)
    assert regression_gate.held_out_p < 0.01
    assert {row[0] for row in regression_gate.rows} == {"EV"} and len(regression_gate.rows) == len(
        regression_gate.labels
    )
    assert capture(failed(), labels(), nothing) == regression_gate, "the same rows give the same gate"


def test_a_failure_that_is_everywhere_is_a_gate_on_all_rows() -> None:
    regression_gate = capture(failed(), labels(only=""), nothing)
    assert regression_gate is not None
    assert (regression_gate.predicate, regression_gate.held_out_p) == ("all rows", 1.0)


def test_a_shadow_is_cut_by_the_difference_to_the_stable_answer() -> None:
    copies = labels(arm="shadow", count=800)
    sure = {each.request_id: {"probability": [0.8 if each.label[0] else 0.2]} for each in copies}

    def stable(request_id):
        return prediction(request_id, 1, sure[request_id])

    regression_gate = capture(failed("shadow"), copies, stable)
    assert regression_gate is not None
    assert (regression_gate.predicate, regression_gate.stable) == ('carrier == "EV"', pytest.approx(0.04))
    assert 150 < len(regression_gate.rows) < 250, "each request once"
    assert capture(failed("shadow"), copies, nothing) is None


def test_few_blocks_have_no_segment_and_rows_that_chance_did_not_route_none_at_all() -> None:
    of_days = replace(failed(), plan=plan("canary", metrics=["brier"]))
    regression_gate = capture(of_days, labels(), nothing)
    assert regression_gate is not None and regression_gate.predicate == "all rows", "one day shows no segment"
    forced_labels = [joined(replace(each.prediction, routing=replace(each.prediction.routing, forced=True)),
    each.label[0])
            for each in labels()]  # fmt: skip
    assert capture(failed(), forced_labels, nothing) is None


@pytest.mark.parametrize(
    ("record", "rows"),
    [
        (failed(culprits=("errors",)), labels()),
        (failed(), labels(LEAST_ROWS - 1)),
        (failed(), [each for each in labels() if each.prediction.header.release.endswith("@2")]),
        (replace(failed(), ready_at=240.0), labels()),
        (replace(failed(), ready_at=None), labels()),
        (failed(), [joined(each.prediction, None) for each in labels(100)]),
    ],
    ids=["no loss", "few rows", "one arm", "before it was ready", "never ready", "without labels"],
)
def test_where_too_little_is_known_there_is_no_gate(record, rows) -> None:
    assert capture(record, rows, nothing) is None


def test_a_corrected_label_takes_the_place_of_the_first() -> None:
    rows = labels()
    wrong = [joined(each.prediction, 1 - each.label[0]) for each in rows]
    assert capture(failed(), [*wrong, *rows], nothing) == capture(failed(), rows, nothing)


def test_a_summary_holds_no_rows_and_both_go_through_json() -> None:
    regression_gate = capture(failed(), labels(), nothing)
    assert regression_gate is not None
    summary, full = regression_gate.to_json(with_rows=False), regression_gate.to_json(with_rows=True)
    assert (summary["rows"], summary["labels"]) == ([], [])
    assert summary["predicate"] == full["predicate"]
    assert len(json.loads(json.dumps(full))["rows"]) == len(regression_gate.rows)


def test_the_newest_rows_are_kept_when_there_are_many() -> None:
    regression_gate = capture(failed(), labels(2 * MOST_ROWS + 200, only=""), nothing)
    assert regression_gate is not None
    assert len(regression_gate.rows) == MOST_ROWS
