from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.rollout import (
    ENDED,
    WHOLE,
    AnalysisReported,
    Applied,
    Command,
    Event,
    Failed,
    Hindered,
    MetricPlan,
    Pair,
    PersonRequested,
    Ready,
    RolloutPlan,
    RolloutProgress,
    RolloutState,
    RolloutStrategy,
    Started,
    allowed,
    mirror_of,
    pair_of,
    plan_of,
    transition,
    weight_of,
)

S = RolloutState
PLANS = {
    "canary": RolloutPlan(
        "r", RolloutStrategy.CANARY, 2, 1, steps=(100, 500, 2500), hold_s=10, max_s=100, holdback=200, holdback_s=50,
        metrics=(MetricPlan("errors"),),
    ),
    "blue_green": RolloutPlan("r", RolloutStrategy.BLUE_GREEN, 2, 1, hold_s=10, holdback_s=50),
    "switch": RolloutPlan("r", RolloutStrategy.BLUE_GREEN, 2, 1),
    "shadow": RolloutPlan(
        "r", RolloutStrategy.SHADOW, 2, 1, hold_s=10, max_s=100, metrics=(MetricPlan("errors"),), mirror=0.5,
    ),
    "challenger": RolloutPlan("r", RolloutStrategy.CHALLENGER, 2, 1, metrics=(MetricPlan("errors"),)),
}  # fmt: skip
EVENTS: dict[str, Event] = {
    "started": Started(),
    "ready": Ready(),
    "failed": Failed("it fell"),
    "hindered": Hindered("there is no baseline"),
    "applied": Applied(),
    "harm": AnalysisReported("errors", ("errors",), ruled_out=1.2, acceptable=True),
    "doubt": AnalysisReported(doubt="shifted"),
    "nothing": AnalysisReported(),
    "some": AnalysisReported(ruled_out=3.0),
    "good": AnalysisReported(ruled_out=1.0, acceptable=True),
    **{command.value: PersonRequested(command, "omar") for command in Command},
}
# Where each event leads from each state that it means something in, for a canary at its first step and for a shadow:
# 5 s later, and, after the slash, 20 s later, where that differs. A dash says that nothing changes.
LEADS = {
    S.PENDING: "started:warming failed:rolling_back abort:rolling_back",
    S.WARMING: "ready:stepping failed:rolling_back hindered:paused abort:rolling_back",
    S.SHADOWING: "failed:rolling_back harm:rolling_back doubt:paused good:-/promoting pause:paused "
    "promote:promoting skip:promoting abort:rolling_back",
    S.STEPPING: "failed:rolling_back harm:rolling_back doubt:paused some:holding/stepping good:holding/stepping "
    "pause:paused promote:promoting skip:stepping abort:rolling_back",
    S.HOLDING: "failed:rolling_back harm:rolling_back doubt:paused nothing:-/stepping some:-/stepping "
    "good:-/stepping pause:paused promote:promoting skip:stepping abort:rolling_back",
    S.PROMOTING: "applied:holdback failed:rolling_back abort:rolling_back",
    S.HOLDBACK: "failed:rolling_back harm:rolling_back pause:paused abort:rolling_back",
    S.SUCCEEDED: "",
    S.PAUSED: "failed:rolling_back harm:rolling_back resume:stepping promote:promoting abort:rolling_back",
    S.INCONCLUSIVE: "failed:rolling_back harm:rolling_back resume:stepping promote:promoting abort:rolling_back",
    S.ROLLING_BACK: "applied:rolled_back",
    S.ROLLED_BACK: "",
    S.ABORTED: "",
}  # fmt: skip


def at(state: RolloutState, **more: Any) -> RolloutProgress:
    waits = state in (S.PAUSED, S.INCONCLUSIVE)
    return RolloutProgress(state, since=100.0, resumes=S.STEPPING if waits else None, paused_at=100.0, **more)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(S, EVENTS)))
def test_every_pair_of_state_and_event_is_decided(state: RolloutState, event: str) -> None:
    leads = dict(item.split(":") for item in LEADS[state].split())
    soon, _, late = leads.get(event, "-").partition("/")
    plan = PLANS["shadow" if state is S.SHADOWING else "canary"]
    for now, expected in ((105.0, soon), (120.0, late or soon)):
        before = at(state)
        after = transition(plan, before, EVENTS[event], now)
        assert (after is before) if expected == "-" else (str(after.state) == expected), (state, event, now)


def run(plan: RolloutPlan, *events: tuple[float, Event]) -> list[RolloutState]:
    rollout, visited_states = RolloutProgress(), []
    for now, event in events:
        rollout = transition(plan, rollout, event, now)
        visited_states.append(rollout.state)
    return visited_states


GOOD, NOTHING = EVENTS["good"], EVENTS["nothing"]


def test_a_good_candidate_climbs_its_steps_and_keeps_a_holdback() -> None:
    plan, rollout, weights = PLANS["canary"], RolloutProgress(), []
    events: list[tuple[float, Event]] = [(0, Started()), (1, Ready())]
    events += [(t, GOOD) for t in (5, 12, 23, 34)] + [(35, Applied()), (60, NOTHING), (86, NOTHING)]
    for now, event in events:
        rollout = transition(plan, rollout, event, now)
        weights.append(weight_of(plan, rollout))
    assert weights == [0, 100, 100, 500, 2500, WHOLE - 200, WHOLE - 200, WHOLE - 200, WHOLE]
    assert rollout.state is S.SUCCEEDED


def test_what_must_be_ruled_out_grows_with_the_share_that_is_risked() -> None:
    plan = PLANS["canary"]
    for step, enough, too_little in ((0, 5.0, 5.1), (1, 3.0, 3.1)):
        rollout = at(S.STEPPING, step=step)
        assert transition(plan, rollout, AnalysisReported(ruled_out=too_little), 150.0) is rollout
        assert transition(plan, rollout, AnalysisReported(ruled_out=enough), 150.0).step == step + 1
    last = at(S.STEPPING, step=2)
    assert transition(plan, last, AnalysisReported(ruled_out=1.01), 150.0) is last, "the last step asks for the margin"
    assert transition(plan, last, GOOD, 150.0).state is S.PROMOTING


def test_without_enough_evidence_a_person_decides_and_nothing_is_promoted_silently() -> None:
    plan, rollout = PLANS["canary"], at(S.STEPPING)
    rollout = transition(plan, rollout, NOTHING, 200.0)
    assert (rollout.state, weight_of(plan, rollout)) == (S.INCONCLUSIVE, 100)
    assert transition(plan, rollout, NOTHING, 1e9) is rollout
    again = transition(plan, rollout, PersonRequested(Command.RESUME, "omar"), 300.0)
    assert (again.state, again.since) == (S.STEPPING, 300.0)


def test_a_shadow_is_promoted_by_evidence_and_time_and_copies_while_it_lasts() -> None:
    plan = PLANS["shadow"]
    assert run(plan, (0, Started()), (1, Ready()), (5, GOOD), (11, NOTHING), (12, GOOD), (13, Applied())) == [
        S.WARMING, S.SHADOWING, S.SHADOWING, S.SHADOWING, S.PROMOTING, S.SUCCEEDED,
    ]  # fmt: skip
    assert (mirror_of(plan, at(S.SHADOWING)), weight_of(plan, at(S.SHADOWING))) == (0.5, 0)
    assert mirror_of(plan, at(S.PROMOTING)) == 0.0


def test_a_challenger_never_serves() -> None:
    plan = PLANS["challenger"]
    assert set(run(plan, (0, Started()), (1, Ready()), (1e6, GOOD))[1:]) == {S.SHADOWING}
    assert allowed(S.SHADOWING, RolloutStrategy.CHALLENGER) == {Command.PAUSE, Command.ABORT}


def test_blue_and_green_can_be_previewed_and_taken_back() -> None:
    plan = PLANS["blue_green"]
    assert run(plan, (0, Started()), (1, Ready()), (5, NOTHING), (11, NOTHING), (12, Applied())) == [
        S.WARMING, S.HOLDING, S.HOLDING, S.PROMOTING, S.HOLDBACK,
    ]  # fmt: skip
    assert weight_of(plan, at(S.HOLDING)) == 0 and weight_of(plan, at(S.HOLDBACK)) == WHOLE
    back = transition(plan, at(S.HOLDBACK), PersonRequested(Command.ABORT, "omar"), 130.0)
    assert weight_of(plan, back) == 0
    assert transition(plan, back, Applied(), 131.0).state is S.ABORTED
    assert run(PLANS["switch"], (0, Started()), (1, Ready()), (2, Applied()))[-1] is S.SUCCEEDED


def test_a_candidate_that_never_gets_ready_is_given_up() -> None:
    plan = replace(PLANS["canary"], warm_up_s=30)
    assert run(plan, (0, Started()), (29, NOTHING), (30, NOTHING)) == [S.WARMING, S.WARMING, S.ROLLING_BACK]


def test_time_spent_paused_is_not_time_of_the_step() -> None:
    plan, paused = (
        PLANS["canary"],
        transition(PLANS["canary"], at(S.STEPPING), PersonRequested(Command.PAUSE, "omar"), 104.0),
    )
    resumed = transition(plan, paused, PersonRequested(Command.RESUME, "omar"), 204.0)
    assert (resumed.state, resumed.since) == (S.STEPPING, 200.0)
    assert transition(plan, resumed, GOOD, 209.0).state is S.HOLDING
    assert transition(plan, resumed, GOOD, 210.0).step == 1


def test_a_doubt_pauses_once_and_whoever_resumes_has_looked_at_it() -> None:
    plan = PLANS["canary"]
    paused = transition(plan, at(S.STEPPING), EVENTS["doubt"], 105.0)
    resumed = transition(plan, paused, PersonRequested(Command.RESUME, "omar"), 106.0)
    assert (paused.reason, resumed.state) == ("shifted", S.STEPPING)
    assert transition(plan, resumed, EVENTS["doubt"], 107.0) is resumed


def test_a_rollback_says_why_and_an_abort_who() -> None:
    plan = PLANS["canary"]
    back = transition(plan, at(S.PAUSED), EVENTS["harm"], 105.0)
    assert (back.reason, back.culprits, back.by) == ("errors", ("errors",), "")
    assert transition(plan, back, Applied(), 106.0).state is S.ROLLED_BACK
    aborting_rollout = transition(plan, at(S.STEPPING), PersonRequested(Command.ABORT, "omar", "wrong data"), 105.0)
    gone = transition(plan, aborting_rollout, Applied(), 106.0)
    assert (gone.state, gone.reason, gone.by) == (S.ABORTED, "wrong data", "omar")


@given(st.sampled_from(sorted(PLANS)), st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.floats(0, 60))))
def test_whatever_happens_the_shares_are_lawful_and_an_end_is_an_end(
    name: str, events: list[tuple[str, float]]
) -> None:
    plan, rollout, now = PLANS[name], RolloutProgress(), 0.0
    for event, waited in events:
        now += waited
        before, rollout = rollout, transition(plan, rollout, EVENTS[event], now)
        assert before.state not in ENDED or rollout is before
        assert 0 <= weight_of(plan, rollout) <= WHOLE
        assert (rollout.state in (S.PAUSED, S.INCONCLUSIVE)) == (rollout.resumes is not None)
        assert RolloutProgress.from_json(rollout.to_json()) == rollout
        if rollout.state in (S.ROLLING_BACK, S.ROLLED_BACK, S.ABORTED):
            assert weight_of(plan, rollout) == 0
        if name == "challenger":
            assert weight_of(plan, rollout) == 0


@given(st.sampled_from(sorted(PLANS)), st.lists(st.sampled_from(sorted(EVENTS)), max_size=12))
def test_an_event_that_comes_twice_at_once_is_like_one(name: str, events: list[str]) -> None:
    """What an agent does again after a crash changes nothing: `started`, `ready`, `applied` and evidence of harm."""
    plan, rollout = PLANS[name], RolloutProgress()
    for place, event in enumerate(events):
        rollout = transition(plan, rollout, EVENTS[event], 3.0 * place)
    for event in ("started", "ready", "failed", "harm"):
        once = transition(plan, rollout, EVENTS[event], 100.0)
        assert transition(plan, once, EVENTS[event], 100.0) is once


def test_plans_go_through_json_and_come_from_the_options_of_the_project_file() -> None:
    options = {
        "steps": [0.01, 0.5], "hold_s": 60.0, "holdback": {"share": 0.02, "for_s": 3600.0}, "sticky": "x-customer",
        "metrics": [{"name": "errors", "margin": 2.0}, "latency"], "false_alarm": 0.001,
        "matches": [{"kind": "header", "name": "x-tester", "value": "yes"}],
    }  # fmt: skip
    plan = plan_of("r", "canary", options, candidate=4, stable=3)
    assert (plan.steps, plan.holdback, plan.holdback_s) == ((100, 5000), 200, 3600.0)
    assert plan.metrics == (MetricPlan("errors", margin=2.0), MetricPlan("latency"))
    assert RolloutPlan.from_json(plan.to_json()) == plan
    shadow = plan_of("r", "shadow", {"for_s": 7200.0}, candidate=4, stable=3)
    assert (shadow.hold_s, [metric.name for metric in shadow.metrics]) == (7200.0, ["errors"])


WITH_BASELINE = replace(PLANS["canary"], steps=(100, 2_500, 5_000, 8_000), baseline=True)


@pytest.mark.parametrize(
    ("state", "step", "pair"),
    [
        (S.PENDING, 0, Pair(1, 0)),
        (S.WARMING, 0, Pair(1, 0)),
        (S.STEPPING, 0, Pair(1, 100)),
        (S.HOLDING, 1, Pair(1, 2_500)),
        (S.STEPPING, 2, Pair(1, 5_000)),
        (S.STEPPING, 3, Pair(2, 2_000)),
        (S.HOLDBACK, 3, Pair(2, 200)),
        (S.SUCCEEDED, 3, None),
        (S.ROLLING_BACK, 1, None),
        (S.ROLLED_BACK, 1, None),
    ],
)
def test_the_release_with_the_smaller_share_is_compared_with_as_much_of_the_other(state, step, pair) -> None:
    assert pair_of(WITH_BASELINE, RolloutProgress(state, step)) == pair
    if state in (S.STEPPING, S.HOLDBACK):
        paused = RolloutProgress(S.PAUSED, step, resumes=state)
        assert pair_of(WITH_BASELINE, paused) == pair, "a pause keeps both arms as they are"


@pytest.mark.parametrize("kind", ["blue_green", "shadow", "challenger"])
def test_only_canaries_have_a_baseline(kind: str) -> None:
    plan = replace(PLANS[kind], baseline=True)
    assert all(pair_of(plan, RolloutProgress(state)) is None for state in S)
    assert not plan_of("r", kind, {}, 2, 1).baseline and plan_of("r", "canary", {"steps": [0.1]}, 2, 1).baseline


def test_a_candidate_without_a_baseline_waits_for_a_person_and_is_not_rolled_back() -> None:
    warming = transition(WITH_BASELINE, RolloutProgress(), Started(), 0.0)
    paused = transition(WITH_BASELINE, warming, Hindered("no memory"), 400.0)
    assert (paused.state, paused.resumes, paused.reason) == (S.PAUSED, S.WARMING, "no memory")
    assert transition(WITH_BASELINE, paused, AnalysisReported(), 9_999.0).state is S.PAUSED
    assert {Command.RESUME, Command.PROMOTE, Command.ABORT} <= allowed(paused.state, WITH_BASELINE.strategy)
    assert transition(WITH_BASELINE, paused, PersonRequested(Command.RESUME, "omar"), 500.0).state is S.WARMING
