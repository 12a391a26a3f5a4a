"""What a trigger does: storms, loops, budgets, and persons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.control.retraining import (
    Decision,
    LabelTriggerRule,
    PastTraining,
    Refuse,
    RetrainingPolicy,
    Start,
    TrainingOutcome,
    Trigger,
    TriggerError,
    TriggerKind,
    Wait,
    decide,
    decide_all,
    feedback_trigger,
)

HOUR, DAY = 3600.0, 86_400.0
NOW = 30 * DAY
POLICY = RetrainingPolicy(runs_a_week=4, compute_minutes_a_week=100, expected_minutes=20)


def trigger(kind: TriggerKind = TriggerKind.DRIFT, at: float = NOW, name: str = "new", **more: bool) -> Trigger:
    return Trigger(kind, "m", name, at, "the loss has risen", **more)


def ended(ago: float, outcome: TrainingOutcome = TrainingOutcome.WON, minutes: float = 10.0) -> PastTraining:
    start = NOW - ago
    return PastTraining(f"at {start:.0f}", start, start + 0.5 * HOUR, outcome, minutes)


ACTIVE = PastTraining("other", NOW - HOUR, None, TrainingOutcome.ACTIVE)
LOST, FAILED = TrainingOutcome.LOST, TrainingOutcome.FAILED


@pytest.mark.parametrize(
    ("new_trigger", "history", "expected"),
    [
        (trigger(), [], Start("the loss has risen")),
        (trigger(), [ended(10 * HOUR)], Start("the loss has risen")),
        (trigger(name=f"at {NOW - DAY:.0f}"), [ended(DAY)], Refuse("there was a training for")),
        (trigger(at=NOW - 2 * DAY), [ended(DAY)], Refuse("started after this happened")),
        (trigger(at=NOW - 2 * DAY), [ended(DAY, FAILED)], Start("the loss has risen")),
        (trigger(TriggerKind.MANUAL, at=NOW - 2 * DAY), [ended(DAY)], Start("the loss has risen")),
        (trigger(at=NOW - 8 * DAY), [], Refuse("too long")),
        (trigger(at=NOW + 60), [], Wait("by this clock", NOW + 60)),
        (trigger(), [ACTIVE], Wait("other is under way", None)),
        (trigger(TriggerKind.MANUAL), [ACTIVE], Wait("other is under way", None)),
        (trigger(), [ended(4 * HOUR)], Wait("too soon", NOW + 2.5 * HOUR)),
        (trigger(TriggerKind.EVENT), [ended(4 * HOUR)], Start("the loss has risen")),
        (trigger(TriggerKind.EVENT), [ended(HOUR)], Wait("too soon", NOW + 0.5 * HOUR)),
        (trigger(TriggerKind.SCHEDULE), [ended(0.6 * HOUR)], Start("the loss has risen")),
        (trigger(TriggerKind.MANUAL), [ended(0.6 * HOUR)], Start("the loss has risen")),
        (trigger(TriggerKind.SCHEDULE), [ended(HOUR, FAILED)], Wait("after 1 failures", NOW + 5.5 * HOUR)),
        (trigger(), [ended(20 * HOUR, FAILED), ended(HOUR, FAILED)], Wait("after 2 failures", NOW + 11.5 * HOUR)),
        (trigger(), [ended(day * DAY, FAILED) for day in (1, 2, 3)], Refuse("the last 3 trainings failed")),
        (trigger(TriggerKind.MANUAL), [ended(day * DAY, FAILED) for day in (1, 2, 3)], Start("the loss has risen")),
        (trigger(), [ended(DAY), ended(2 * DAY, FAILED), ended(3 * DAY, FAILED)], Start("the loss has risen")),
        (
            trigger(),
            [ended(day * DAY, LOST) for day in (1, 2, 3)],
            Wait("the last 3 candidates", NOW + 3 * DAY + HOUR / 2),
        ),
        (trigger(), [ended(5 * DAY, LOST), ended(6 * DAY, LOST)], Start("the loss has risen")),
        (
            trigger(),
            [ended(DAY, LOST), ended(2 * DAY, FAILED), ended(3 * DAY, LOST)],
            Wait("the last 2 candidates", NOW + DAY + HOUR / 2),
        ),
        (trigger(TriggerKind.FEEDBACK), [ended(HOUR, LOST)], Wait("the last 1 candidates", NOW + 23.5 * HOUR)),
        (trigger(TriggerKind.GROWTH), [ended(HOUR, LOST)], Wait("not counted", NOW + 23.5 * HOUR)),
        (trigger(TriggerKind.EVENT), [ended(2 * HOUR, LOST)], Start("the loss has risen")),
        (trigger(TriggerKind.SCHEDULE), [ended(day * DAY, LOST) for day in (1, 2, 3)], Start("the loss has risen")),
        (trigger(), [ended(day * DAY) for day in (1, 2, 3, 5)], Wait("4 trainings in seven days", NOW + 2 * DAY)),
        (trigger(), [ended(day * DAY) for day in (1, 2, 3, 8)], Start("the loss has risen")),
        (trigger(), [ended(DAY, minutes=50), ended(2 * DAY, minutes=40)], Wait("took 90 minutes", NOW + 5 * DAY)),
        (trigger(), [ended(DAY, minutes=50), ended(2 * DAY, minutes=30)], Start("the loss has risen")),
        (trigger(), [ended(DAY, minutes=99), ended(2 * DAY, minutes=40)], Wait("took 139 minutes", NOW + 6 * DAY)),
        (trigger(), [ended(DAY, minutes=math.nan)], Refuse("not numbers")),
        (trigger(TriggerKind.MANUAL), [ended(day * DAY) for day in (1, 2, 3, 5)], Wait("4 trainings", NOW + 2 * DAY)),
        (
            trigger(TriggerKind.MANUAL, beyond_budget=True),
            [ended(day * DAY) for day in (1, 2, 3, 5)],
            Start("the loss"),
        ),
    ],
)
def test_a_trigger_is_decided(new_trigger: Trigger, history: list[PastTraining], expected: Decision) -> None:
    decision = decide(new_trigger, history, POLICY, NOW)
    assert type(decision) is type(expected)
    assert expected.reason in decision.reason
    if isinstance(expected, Wait) and isinstance(decision, Wait):
        assert decision.until == expected.until


@pytest.mark.parametrize("policy", [RetrainingPolicy(runs_a_week=0), RetrainingPolicy(expected_minutes=601)])
def test_a_budget_for_nothing_refuses(policy: RetrainingPolicy) -> None:
    assert isinstance(decide(trigger(), [], policy, NOW), Refuse)


def test_a_storm_ends_in_one_training() -> None:
    storm = [trigger(kind, NOW - index, f"{kind.value} {index}") for kind in TriggerKind for index in range(50)]
    decided = decide_all(storm, [], POLICY, NOW)
    started = [each for each, decision in decided if isinstance(decision, Start)]
    assert [each.kind for each in started] == [TriggerKind.MANUAL]
    assert len(decided) == len(storm)

    run = started[0].started(NOW).ended(TrainingOutcome.WON, 5.0, NOW + HOUR)
    later = decide_all([each for each in storm if each.kind is not TriggerKind.MANUAL], [run], POLICY, NOW + DAY)
    assert all(isinstance(decision, Refuse) for _, decision in later)


def test_a_loop_of_failures_ends() -> None:
    history: list[PastTraining] = []
    starts, now = [], 0.0
    for index in range(2000):
        now = index * HOUR
        new_trigger = trigger(at=now, name=f"alert {index}")
        if isinstance(decide(new_trigger, history, RetrainingPolicy(), now), Start):
            starts.append(now)
            history.append(new_trigger.started(now).ended(FAILED, 1.0, now + 60))
    assert len(starts) == 3
    assert starts[2] - starts[1] > 1.8 * (starts[1] - starts[0])


def losing(hours: int, rows_at: Callable[[int], int]) -> list[PastTraining]:
    """Trainings of a model whose candidates never win, with an alert an hour."""
    history: list[PastTraining] = []
    for index in range(hours):
        new_trigger, rows = trigger(at=index * HOUR, name=f"alert {index}"), rows_at(index)
        if isinstance(decide(new_trigger, history, RetrainingPolicy(), index * HOUR, rows), Start):
            lost = new_trigger.started(index * HOUR).ended(LOST, 1.0, index * HOUR + 60)
            history.append(replace(lost, rows=rows))
    return history


def test_candidates_that_do_not_help_become_rarer_and_never_stop() -> None:
    without_rows = losing(2000, lambda _: 0)
    assert 5 <= len(without_rows) <= 9
    assert not losing(2000, lambda _: 1000)[1:]
    growing = losing(2000, lambda hour: 1000 + hour)
    assert [one.rows for one in growing] == [1000, 1200, 1440, 1728, 2074, 2489, 2987]


@pytest.mark.parametrize("kind", [TriggerKind.DRIFT, TriggerKind.FEEDBACK, TriggerKind.GROWTH])
def test_after_a_candidate_that_lost_rows_have_to_grow(kind: TriggerKind) -> None:
    lost = replace(ended(10 * DAY, LOST), rows=1000)
    waits = decide(trigger(kind, at=NOW - 9 * DAY), [lost], POLICY, NOW, 1199)
    assert isinstance(waits, Wait) and "waits for 1200; there are 1199" in waits.reason
    assert waits.until is not None and waits.until > NOW
    assert isinstance(decide(trigger(kind, at=NOW - 9 * DAY), [lost], POLICY, NOW, 1200), Start)
    forgiven = replace(lost, forgiven=True)
    assert isinstance(decide(trigger(kind), [forgiven], POLICY, NOW, 1000), Start)
    won_since = [lost, replace(ended(2 * DAY), rows=1000)]
    assert isinstance(decide(trigger(kind), won_since, POLICY, NOW, 1000), Start)


kinds = st.sampled_from(list(TriggerKind))
trainings = st.lists(
    st.builds(
        lambda at, length, outcome, minutes: PastTraining(
            f"at {at}", at, None if outcome is TrainingOutcome.ACTIVE else at + length, outcome, minutes
        ),
        st.floats(0, NOW),
        st.floats(0, DAY),
        st.sampled_from(list(TrainingOutcome)),
        st.floats(0, 60),
    ),
    max_size=12,
)


@settings(max_examples=50)
@given(kinds, st.floats(NOW - 3 * DAY, NOW + DAY), trainings)
def test_any_history_is_decided_and_waiting_ends(kind: TriggerKind, at: float, history: list[PastTraining]) -> None:
    decision = decide(trigger(kind, at), history, POLICY, NOW)
    assert decision.reason
    active = any(training.outcome is TrainingOutcome.ACTIVE for training in history)
    assert not (active and isinstance(decision, Start))
    patient = RetrainingPolicy(runs_a_week=4, compute_minutes_a_week=100, expected_minutes=20, patience_s=math.inf)
    now, looks = NOW, 0
    while isinstance(decision, Wait) and decision.until is not None and looks < 20:
        assert decision.until > now
        now, looks = decision.until, looks + 1
        decision = decide(trigger(kind, at), history, patient, now)
    assert looks < 20


@settings(max_examples=50)
@given(st.lists(st.tuples(kinds, st.floats(NOW - DAY, NOW)), max_size=20), trainings)
def test_at_most_one_training_starts_at_a_time(
    arrivals: list[tuple[TriggerKind, float]], history: list[PastTraining]
) -> None:
    triggers = [trigger(kind, at, f"{index}") for index, (kind, at) in enumerate(arrivals)]
    decided = decide_all(triggers, history, POLICY, NOW)
    assert sum(isinstance(decision, Start) for _, decision in decided) <= 1
    assert sorted(each.occasion for each, _ in decided) == sorted(each.occasion for each in triggers)


@pytest.mark.parametrize(
    ("labels", "loss", "occasion"),
    [
        (0, None, None),
        (999, None, None),
        (1000, None, "feedback/run7/labels/1"),
        (2999, None, "feedback/run7/labels/2"),
        (0, (0.21, 0.3), "feedback/run7/loss"),
        (0, (0.19, 0.3), None),
        (1000, (0.21, 0.3), "feedback/run7/loss"),
    ],
)
def test_labels_are_a_trigger(labels: int, loss: tuple[float, float] | None, occasion: str | None) -> None:
    feedback_wish = LabelTriggerRule(every=1000, loss_bound=0.2)
    label_trigger = feedback_trigger("m", "run7", feedback_wish, labels=labels, loss=loss, now=NOW)
    assert (label_trigger.occasion if label_trigger else None) == occasion
    assert label_trigger is None or label_trigger.kind is TriggerKind.FEEDBACK
    assert feedback_trigger("m", "run7", LabelTriggerRule(), labels=labels, loss=loss, now=NOW) is None


def test_triggers_and_policies_that_say_nothing_are_refused() -> None:
    for wrong in ({"occasion": " "}, {"at": math.nan}, {"beyond_budget": True}):
        with pytest.raises(TriggerError):
            Trigger(**{"kind": TriggerKind.DRIFT, "model": "m", "occasion": "o", "at": 0.0, "reason": "r", **wrong})  # type: ignore[arg-type]
    for bad in ({"expected_minutes": math.nan}, {"runs_a_week": -1}, {"cooldown_s": {TriggerKind.DRIFT: -1.0}}):
        with pytest.raises(TriggerError):
            RetrainingPolicy(**bad)  # type: ignore[arg-type]
