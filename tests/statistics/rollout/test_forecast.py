from __future__ import annotations

from dataclasses import replace

import pytest

from falaj.statistics.rollout import RolloutPlan, plan_of
from falaj.statistics.rollout.forecast import Forecast, forecast, in_words, refusal
from tests.statistics.rollout.test_simulation import Stream, run

USUAL = {"steps": [0.01, 0.05, 0.25, 0.5], "hold_s": 60.0, "burn_in_s": 10.0}


def candidate(**options: object) -> RolloutPlan:
    return plan_of("r", "canary", {**USUAL, **options}, candidate=2, stable=1)


def test_it_is_what_the_real_judge_takes_where_nothing_fails() -> None:
    plan = candidate(metrics=["errors"], steps=[0.5], hold_s=0.0, burn_in_s=0.0)
    plan_forecast = forecast(plan, (1.0,))
    assert plan_forecast is not None and plan_forecast.decides == "errors"
    assert plan_forecast.total_s == pytest.approx(run(plan, Stream(100.0, 0.0)).at_s, rel=0.2)


def test_the_usual_plan_ends_within_its_usual_time_where_traffic_is_enough() -> None:
    plan_forecast = forecast(candidate(), (1.0,) * 4)
    assert plan_forecast is not None and plan_forecast.total_s < 4 * 60.0 + 30.0
    assert in_words(plan_forecast, 200.0) == "at 200 requests a second it takes about 4.3 min; errors decides last"


def test_thin_traffic_takes_as_many_blocks_which_are_longer() -> None:
    dense, thin = forecast(candidate(), (1.0,) * 4), forecast(candidate(), (60.0, 60.0, 10.0, 5.0))
    assert dense is not None and thin is not None and thin.total_s > 10 * dense.total_s


def test_a_plan_that_cannot_end_is_refused_with_what_would_work() -> None:
    plan = candidate(max_s=1_800.0)
    plan_forecast = forecast(plan, (60.0, 60.0, 10.0, 5.0))
    assert plan_forecast is not None
    assert refusal(plan, plan_forecast, 0.5).startswith(
        "the plan cannot end: at 0.5 requests a second, a step of 1.00% takes about"
    )
    assert "larger step" in refusal(plan, plan_forecast, 0.5)
    assert refusal(replace(plan, max_s=1e6), plan_forecast, 0.5) == ""


def test_labels_decide_by_their_own_blocks() -> None:
    plan_forecast = forecast(candidate(metrics=["errors", "brier"]), (1.0,) * 4)
    assert (
        isinstance(plan_forecast, Forecast)
        and plan_forecast.decides == "brier"
        and plan_forecast.total_s >= 30 * 86_400
    )
    assert refusal(candidate(metrics=["errors", "brier"], max_s=30 * 86_400.0), plan_forecast, 100.0) == "", (
        "labels come late"
    )


@pytest.mark.parametrize("options", [{"baseline": False}, {"metrics": [{"name": "predictions"}]}])
def test_what_is_not_judged_by_blocks_is_not_foretold(options) -> None:
    assert forecast(candidate(**options), (1.0,) * 4) is None
