from __future__ import annotations

import json
from dataclasses import replace

import pytest

from falaj.locations.agent.rollouts.counting import counted
from falaj.locations.agent.rollouts.record import POINTS, SHOWN_POINTS, Record, thinned
from falaj.rollout import Applied, Asked, Command, Failed, Judged, Ready, Rollout, RolloutState, Started
from tests.locations.rollouts.made import access, judged_record, plan

S = RolloutState
HELD = plan(metrics=["errors"], holdback={"share": 0.1, "for_s": 60.0})


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("kind", ["canary", "blue_green", "shadow", "challenger"])
def test_a_record_goes_through_json_in_every_state(state: RolloutState, kind: str) -> None:
    of = plan(kind, metrics=["errors", "brier"], sticky="x-customer", matches=[
        {"kind": "header", "name": "x-tester", "value": "yes"}])  # fmt: skip
    waits = state in (S.PAUSED, S.INCONCLUSIVE)
    resumes = (S.STEPPING if kind == "canary" else S.SHADOWING) if waits else None
    at = Rollout(state, 1, 5.0, resumes, 7.0, "why", ("errors",), "omar", doubted=True)
    record = counted(judged_record(of), [access(2, status=500), access(1)], 300.0)
    record = replace(record, rollout=at, captured={"rows": [["EV", 1.0]]}, log_position={"a": 1}, copies=(3, 1))
    for each in (record.noted(9.0, always=True), replace(Record(of), rollout=at)):
        again = Record.from_json(json.loads(json.dumps(each.to_json())))
        assert again.to_json() == each.to_json()
        assert (again.plan, again.rollout, again.copies) == (each.plan, each.rollout, each.copies)
        assert again.verdict() == each.verdict()
        assert json.loads(json.dumps(each.report(), allow_nan=False))["state"] == str(state)


def test_evidence_starts_anew_where_another_share_is_risked_and_not_after_a_pause() -> None:
    record, steps = judged_record(HELD), []
    asked = [Asked(Command.SKIP, "omar"), Asked(Command.PAUSE, "omar"), Asked(Command.RESUME, "omar"),
             Asked(Command.PROMOTE, "omar"), Applied(), Asked(Command.PAUSE, "omar"),
             Asked(Command.RESUME, "omar")]  # fmt: skip
    for event in asked:
        record = record.happened(event, 110.0)
        assert record.analysis is not None
        steps.append((str(record.rollout.state), record.analysis.step))
    assert steps == [("stepping", 1), ("paused", 1), ("stepping", 1), ("promoting", 1), ("holdback", 2),
                     ("paused", 2), ("holdback", 2)]  # fmt: skip


def test_each_wish_is_done_once_also_when_the_list_is_told_again() -> None:
    wishes = [Asked(Command.PAUSE, "omar"), Asked(Command.RESUME, "omar")]
    once = judged_record(HELD).heard(wishes[:1], 110.0)
    assert (once.rollout.state, once.asked) == (S.PAUSED, 1)
    twice = once.heard(wishes, 120.0)
    assert (twice.rollout.state, twice.asked) == (S.STEPPING, 2)
    assert twice.heard(wishes, 130.0) == twice
    assert twice.heard([], 130.0).asked == 2, "an older list undoes nothing"


def test_nothing_goes_to_a_candidate_that_was_given_up() -> None:
    record = judged_record(HELD)
    assert not record.given_up
    for event, state in ((Failed("it fell"), S.ROLLING_BACK), (Applied(), S.ROLLED_BACK)):
        record = record.happened(event, 110.0)
        assert (record.rollout.state, record.given_up, record.weight, record.mirror) == (state, True, 0, 0.0)
    assert record.report()["reason"] == "it fell"


def test_a_trajectory_is_bounded_keeps_its_ends_and_every_change_of_state() -> None:
    record = Record(HELD).happened(Started(), 0.0).happened(Ready(), 1.0)
    for second in range(2, 1_000):
        record = record.noted(float(second))
    assert len(record.trajectory) <= POINTS
    assert record.trajectory[0]["at"] == 0.0 and record.trajectory[-1]["at"] > 990
    assert record.interval_s > 2
    record = record.happened(Judged("errors", ("errors",)), 1_000.1)
    assert (record.trajectory[-1]["state"], record.trajectory[-1]["weight"]) == ("rolling_back", 0)
    shown = record.report()["trajectory"]
    assert len(shown) <= SHOWN_POINTS and shown[-1] == record.trajectory[-1]
    assert thinned([{"at": 1}]) == [{"at": 1}]
