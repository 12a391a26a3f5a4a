from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from falaj.dataplane.agent.rollouts.counting import counted
from falaj.dataplane.agent.rollouts.labelled import with_labels
from falaj.dataplane.agent.rollouts.rollout_record import POINTS, SHOWN_POINTS, RolloutRecord, thinned
from falaj.statistics.rollout import (
    AnalysisReported,
    Applied,
    Command,
    Failed,
    PersonRequested,
    Ready,
    RolloutProgress,
    RolloutState,
    Started,
)
from falaj.statistics.rollout.analysis.betting import Bets, Past
from falaj.statistics.rollout.state_machine import NO_NEW_UNITS
from tests.dataplane.rollouts.made import access, joined, judged_record, plan, prediction

S = RolloutState
TENTH = {"weights": {1: 9_000, 2: 1_000}, "baseline_weight": 1_000}
HOLDBACK_PLAN = plan(metrics=["errors"], holdback={"share": 0.1, "for_s": 60.0})


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("kind", ["canary", "blue_green", "shadow", "challenger"])
def test_a_record_goes_through_json_in_every_state(state: RolloutState, kind: str) -> None:
    of = plan(kind, metrics=["errors", "brier"], sticky="x-customer", matches=[
        {"kind": "header", "name": "x-tester", "value": "yes"}])  # fmt: skip
    waits = state in (S.PAUSED, S.INCONCLUSIVE)
    resumes = (S.STEPPING if kind == "canary" else S.SHADOWING) if waits else None
    at = RolloutProgress(state, 1, 5.0, resumes, 7.0, "why", ("errors",), "omar", doubted=True)
    record = counted(judged_record(of), [access(2, status=500), access(1)], 300.0)
    record = replace(record, rollout=at, captured={"rows": [["EV", 1.0]]}, log_position={"a": 1}, copies=(3, 1))
    for each in (record.noted(9.0, always=True), replace(RolloutRecord(of), rollout=at)):
        again = RolloutRecord.from_json(json.loads(json.dumps(each.to_json())))
        assert again.to_json() == each.to_json()
        assert (again.plan, again.rollout, again.copies) == (each.plan, each.rollout, each.copies)
        assert again.verdict() == each.verdict()
        assert json.loads(json.dumps(each.report(), allow_nan=False))["state"] == str(state)


def test_evidence_starts_anew_where_another_share_is_risked_and_not_after_a_pause() -> None:
    record, steps = judged_record(HOLDBACK_PLAN), []
    commands = [PersonRequested(Command.SKIP, "omar"), PersonRequested(Command.PAUSE, "omar"),
    PersonRequested(Command.RESUME, "omar"),
             PersonRequested(Command.PROMOTE, "omar"), Applied(), PersonRequested(Command.PAUSE, "omar"),
             PersonRequested(Command.RESUME, "omar")]  # fmt: skip
    for event in commands:
        record = record.happened(event, 110.0)
        assert record.analysis is not None
        steps.append((str(record.rollout.state), record.analysis.step))
    assert steps == [("stepping", 1), ("paused", 1), ("stepping", 1), ("promoting", 1), ("holdback", 0),
                     ("paused", 0), ("holdback", 0)]  # fmt: skip


def in_holdback(record: RolloutRecord) -> RolloutRecord:
    for event in (PersonRequested(Command.PROMOTE, "omar"), Applied()):
        record = record.happened(event, 110.0)
    return record


def test_the_holdback_is_a_test_of_its_own_with_a_quarter_of_the_bound() -> None:
    ramp = counted(judged_record(HOLDBACK_PLAN), [access(2, status=500), access(1)], 105.0)
    record = in_holdback(ramp)
    assert record.analysis is not None and record.analysis.exposed == 0
    assert [each.plan.alpha for each in (record.ramp, record.analysis) if each] == pytest.approx([0.0075, 0.0025])
    assert record.holdback_at == 110.0
    failing = [access(2, status=500), *(access(1, status=500) for _ in range(9))]
    after = counted(record, failing * 20, 111.0).evaluate(111.0)
    assert after.rollout.state is S.HOLDBACK, "both fail alike"
    assert after.ramp is not None and after.ramp.exposed == 1, "what the steps showed is left as it was"


def test_late_labels_of_the_steps_roll_back_out_of_the_holdback() -> None:
    of = plan(metrics=["brier"], holdback={"share": 0.1, "for_s": 1e6}, label_block_s=10.0)
    record = in_holdback(judged_record(of))
    for block in range(12):
        labels = [joined(prediction(f"{block}-{n}", 1 + n % 2, {"probability": [0.5 + 0.4 * (-1) ** n]},
                                    at=100.5 + block * 0.75), 1) for n in range(40)]  # fmt: skip
        record = with_labels(record, labels, lambda _: None, 200.0)
    assert record.ramp is not None and record.ramp.labels["brier"].total()[0].tolist() == [240, 240]
    of_holdback = [joined(prediction(f"h{n}", 1 + n % 2, {"probability": [0.9]}, at=115.0), 1) for n in range(4)]
    record = with_labels(record, of_holdback, lambda _: None, 200.0)
    assert record.analysis is not None and record.analysis.labels["brier"].total()[0].tolist() == [2, 2]
    past = Past(12, 12 * 0.6, 12 * 0.36, 1.0, 1.0, 400, 10.0)
    shown = replace(record.ramp, bets={"brier": Bets(past, (9.0, 9.0, 9.0))})
    bad = replace(record, ramp=shown.observe_losses("brier", *(np.zeros(0) for _ in range(3)), 201.0)._looked_at(201.0))
    assert bad.evaluate(201.0).rollout.state is S.ROLLING_BACK
    assert bad.evaluate(201.0).rollout.culprits == ("brier",)


def test_a_step_without_new_units_says_so_and_is_left_by_time_only_if_the_plan_says_so() -> None:
    waiting, leaving = (
        judged_record(plan(metrics=["errors"], sticky="x-customer", no_new_units=word, hold_s=60.0))
        .counted_units(400, 0).counted_units(3, 20_000).counted_units(0, 900)
        for word in ("wait", "leave")
    )  # fmt: skip
    assert "came from users who were counted before" in waiting.exhausted
    assert waiting.evaluate(161.0).rollout.reason == NO_NEW_UNITS
    assert waiting.evaluate(161.0).counted_units(900, 0).evaluate(162.0).rollout.reason == "", "new ones came after all"
    assert leaving.evaluate(159.0).rollout.step == 0
    record_after = leaving.evaluate(161.0)
    assert (record_after.rollout.step, record_after.units) == (1, (0, 0))
    assert record_after.rollout.reason.startswith("the step before was left by time: of the last ")
    assert record_after.counted_units(0, 900).evaluate(1_000.0).rollout.step == 1, (
        "the last step promotes by evidence alone"
    )


def test_each_wish_is_done_once_also_when_the_list_is_told_again() -> None:
    wishes = [PersonRequested(Command.PAUSE, "omar"), PersonRequested(Command.RESUME, "omar")]
    once = judged_record(HOLDBACK_PLAN).heard(wishes[:1], 110.0)
    assert (once.rollout.state, once.handled_requests) == (S.PAUSED, 1)
    twice = once.heard(wishes, 120.0)
    assert (twice.rollout.state, twice.handled_requests) == (S.STEPPING, 2)
    assert twice.heard(wishes, 130.0) == twice
    assert twice.heard([], 130.0).handled_requests == 2, "an older list undoes nothing"


def test_nothing_goes_to_a_candidate_that_was_given_up() -> None:
    record = judged_record(HOLDBACK_PLAN)
    assert not record.given_up
    for event, state in ((Failed("it fell"), S.ROLLING_BACK), (Applied(), S.ROLLED_BACK)):
        record = record.happened(event, 110.0)
        assert (record.rollout.state, record.given_up, record.weight, record.mirror) == (state, True, 0, 0.0)
    assert record.report()["reason"] == "it fell"


def test_a_trajectory_is_bounded_keeps_its_ends_and_every_change_of_state() -> None:
    record = RolloutRecord(HOLDBACK_PLAN).happened(Started(), 0.0).happened(Ready(), 1.0)
    for second in range(2, 1_000):
        record = record.noted(float(second))
    assert len(record.trajectory) <= POINTS
    assert record.trajectory[0]["at"] == 0.0 and record.trajectory[-1]["at"] > 990
    assert record.interval_s > 2
    record = record.happened(AnalysisReported("errors", ("errors",)), 1_000.1)
    assert (record.trajectory[-1]["state"], record.trajectory[-1]["weight"]) == ("rolling_back", 0)
    shown = record.report()["trajectory"]
    assert len(shown) <= SHOWN_POINTS and shown[-1] == record.trajectory[-1]
    assert thinned([{"at": 1}]) == [{"at": 1}]


def test_in_the_holdback_it_is_still_told_that_the_steps_have_shown_the_candidate_to_be_good() -> None:
    record = judged_record(HOLDBACK_PLAN)
    for second in range(260):
        requests = [access(2, at=200.5 + second, **TENTH) for _ in range(10)]
        requests += [access(1, at=200.5 + second, baseline=True, answered_baseline=True, **TENTH) for _ in range(10)]
        record = counted(record, requests, 200.9 + second).closed(202.0 + second)
    record = record.happened(PersonRequested(Command.PROMOTE, "omar"), 470.0).happened(Applied(), 471.0)
    [metric] = record.report()["metrics"]
    assert (record.rollout.state, metric["requests"]) == (S.HOLDBACK, [0, 0])
    assert metric["safe"] >= metric["safe_line"] and metric["at_most"] == 1.5
