from __future__ import annotations

import numpy as np
import pytest

from falaj.statistics.rollout import RolloutPlan, plan_of
from falaj.statistics.rollout.simulation import MOST_REQUESTS, Rehearsal, Stream, rehearsable, rehearse

STREAM = Stream(rate=50.0, errors=0.02)
WORSE = Stream(rate=50.0, errors=0.02, worse=5.0)


def plan(kind: str = "canary", **options: object) -> RolloutPlan:
    plan_defaults = {"steps": [0.1, 0.5], "hold_s": 60.0, "metrics": ["errors"]} if kind == "canary" else {}
    return plan_of("r", kind, {**plan_defaults, **options}, candidate=2, stable=1)


def run(of: RolloutPlan, stream: Stream = STREAM, seed: int = 0) -> Rehearsal:
    return rehearse(of, stream, np.random.default_rng(seed))


def test_a_good_candidate_leaves_its_steps_in_order_and_is_promoted() -> None:
    run_result = run(plan())
    assert (run_result.end, [each.weight for each in run_result.left]) == ("promoting", [1_000, 5_000])
    assert [each.at_s for each in run_result.left] == sorted(each.at_s for each in run_result.left)
    assert run_result.left[0].at_s >= 60.0
    assert run_result.left[-1].requests == run_result.requests
    assert run(plan()) == run_result, "the same seed gives the same rehearsal"


def test_a_worse_one_is_rolled_back_the_sooner_the_worse_it_is() -> None:
    bad, awful = run(plan(), WORSE), run(plan(), Stream(50.0, 0.02, 40.0))
    assert (bad.end, awful.end) == ("rolling_back", "rolling_back")
    assert awful.requests < bad.requests
    assert "errors" in bad.reason


def test_time_alone_moves_what_is_not_judged() -> None:
    timed = run(RolloutPlan("r", plan().strategy, 2, 1, steps=(100, 5_000), hold_s=600.0))
    assert [round(each.at_s) for each in timed.left] == [600, 1_200]
    switched = run(plan("blue_green", preview_s=300.0))
    assert (switched.end, round(switched.at_s), switched.requests) == ("promoting", 300, 0)


def test_a_shadow_compares_copies() -> None:
    good, bad = run(plan("shadow", for_s=600.0)), run(plan("shadow", mirror=0.5), WORSE)
    assert good.end == "promoting" and good.at_s >= 600
    assert bad.end == "rolling_back"


def test_what_takes_longer_than_the_plan_allows_is_inconclusive() -> None:
    run_result = run(plan(metrics=[{"name": "errors", "margin": 1.001}], max_s=900.0, steps=[0.1]))
    assert (run_result.end, round(run_result.at_s)) == ("inconclusive", 900)


def test_what_takes_more_requests_than_are_rehearsed_ends() -> None:
    run_result = run(plan(metrics=[{"name": "latency", "margin": 0.001}], steps=[0.1]), Stream(20_000.0, 0.0))
    assert run_result.end == "stepping"
    assert run_result.requests > MOST_REQUESTS // 20


def test_requests_to_a_cold_candidate_are_exposed_and_no_evidence() -> None:
    cold = run(plan(metrics=["latency"], burn_in_s=600.0))
    assert cold.left[0].at_s > 600 and cold.left[0].requests > 2_500


@pytest.mark.parametrize("metrics", [["errors", "brier"], ["latency", "predictions", "accuracy"], ["brier"]])
def test_what_waits_for_labels_is_left_out(metrics: list[str]) -> None:
    reduced_plan, left_out = rehearsable(plan(metrics=metrics))
    assert [metric.name for metric in reduced_plan.metrics] + list(left_out) == metrics
    assert all(name not in ("errors", "latency") for name in left_out)
