"""Whether a trigger starts a training now, later or never (pure).

A trigger says that something happened; the decision looks at what has been trained already. Storms end in one run: of
all that happened before a run started, that run is the answer. Loops end too: failures wait twice as long each time
and stop, and where candidates do not beat the champion several times in a row, drift starts no more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falaj.retraining.trainings import WEEK_S, Outcome, PastTraining, RetrainingPolicy, Trigger, TriggerKind

LONGEST_WAIT_FACTOR = 64.0


@dataclass(frozen=True)
class Start:
    """Train now."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Not yet.

    Attributes:
        reason: In words.
        until: When to ask again, unix seconds; None when that depends on what is under way.
    """

    reason: str
    until: float | None


@dataclass(frozen=True)
class Refuse:
    """Not for this trigger."""

    reason: str


Decision = Start | Wait | Refuse


def decide(trigger: Trigger, history: Sequence[PastTraining], policy: RetrainingPolicy, now: float) -> Decision:
    """Decide what a trigger does.

    Args:
        trigger: What happened.
        history: Trainings of the same model, those under way too; at least of the last week, in any order.
        policy: How much training the model is worth.
        now: Unix seconds.
    """
    past = sorted(history, key=lambda training: training.started_at)
    question = _Question(trigger, past, policy, now)
    for rule in (_known, _untimely, _under_way, _looping, _cooling, _over_budget):
        decision = rule(question)
        if decision is not None:
            return decision
    return Start(trigger.reason)


def decide_all(
    triggers: Sequence[Trigger], history: Sequence[PastTraining], policy: RetrainingPolicy, now: float
) -> list[tuple[Trigger, Decision]]:
    """Decide about all that is waiting for one model: at most one starts, the most urgent.

    Returns:
        Each trigger with its decision, the most urgent first.
    """
    decided: list[tuple[Trigger, Decision]] = []
    past = list(history)
    for trigger in sorted(triggers, key=lambda one: (one.kind.urgency, one.at, one.occasion)):
        decision = decide(trigger, past, policy, now)
        decided.append((trigger, decision))
        if isinstance(decision, Start):
            past.append(trigger.started(now))
    return decided


@dataclass(frozen=True)
class _Question:
    """One trigger beside all that was trained, the earliest first."""

    trigger: Trigger
    past: Sequence[PastTraining]
    policy: RetrainingPolicy
    now: float

    @property
    def is_manual(self) -> bool:
        return self.trigger.kind is TriggerKind.MANUAL

    @property
    def failures(self) -> int:
        """How many of the last trainings failed, one after another."""
        return _in_a_row(self.past, Outcome.FAILED)


def _known(question: _Question) -> Decision | None:
    """An occasion is trained for once. A later run covers what happened before, except what a person asked for."""
    trigger, past = question.trigger, question.past
    if any(training.occasion == trigger.occasion for training in past):
        return Refuse(f"there was a training for {trigger.occasion} already")
    undone = (Outcome.FAILED, Outcome.ACTIVE)
    later = [one for one in past if one.started_at >= trigger.at and one.outcome not in undone]
    if later and not question.is_manual:
        return Refuse(f"the training for {later[-1].occasion} started after this happened, and has seen its data")
    return None


def _untimely(question: _Question) -> Decision | None:
    age = question.now - question.trigger.at
    if age < 0:
        return Wait("it has not happened yet, by this clock", question.trigger.at)
    return Refuse(f"it happened {age:.0f} s ago, which is too long") if age > question.policy.patience_s else None


def _under_way(question: _Question) -> Decision | None:
    active = [training for training in question.past if training.outcome is Outcome.ACTIVE]
    return Wait(f"the training for {active[-1].occasion} is under way", None) if active else None


def _looping(question: _Question) -> Decision | None:
    policy, failures = question.policy, question.failures
    if question.is_manual:
        return None
    if policy.failures and failures >= policy.failures:
        return Refuse(f"the last {failures} trainings failed: look at why, then resume them")
    neither = (Outcome.FAILED, Outcome.UNCHANGED)
    lost = _in_a_row([one for one in question.past if one.outcome not in neither], Outcome.LOST)
    hopes = question.trigger.kind in (TriggerKind.DRIFT, TriggerKind.FEEDBACK)  # others bring new data or code
    if hopes and policy.fruitless and lost >= policy.fruitless:
        return Refuse(f"the last {lost} candidates did not beat the champion: retraining is not the remedy")
    return None


def _cooling(question: _Question) -> Decision | None:
    """Each failure in a row doubles the wait, and after one every kind waits as long as the longest."""
    ended = [training.ended_at for training in question.past if training.ended_at is not None]
    if question.is_manual or not ended:
        return None
    cooldowns, failures = question.policy.cooldown_s, question.failures
    cooldown = cooldowns.get(question.trigger.kind, 0.0)
    if failures:
        cooldown = max(cooldowns.values(), default=0.0) * min(2.0 ** (failures - 1), LONGEST_WAIT_FACTOR)
    until, ago = max(ended) + cooldown, question.now - max(ended)
    why = f", longer after {failures} failures" if failures else ""
    soon = f"the last training ended {ago:.0f} s ago, which is too soon{why}"
    return Wait(soon, until) if question.now < until else None


def _over_budget(question: _Question) -> Decision | None:
    policy = question.policy
    if question.trigger.beyond_budget:
        return None
    if policy.runs_a_week < 1 or policy.expected_minutes > policy.compute_minutes_a_week:
        return Refuse("the budget does not allow a single training")
    week = [training for training in question.past if training.started_at > question.now - WEEK_S]
    if len(week) >= policy.runs_a_week:
        free = week[-policy.runs_a_week].started_at + WEEK_S
        return Wait(f"there were {len(week)} trainings in seven days, and {policy.runs_a_week} are allowed", free)
    return _over_minutes(week, policy)


def _over_minutes(week: Sequence[PastTraining], policy: RetrainingPolicy) -> Decision | None:
    """Until when so many of the week's first trainings have left it that the next one fits."""
    used = sum(training.compute_minutes for training in week)
    if used + policy.expected_minutes <= policy.compute_minutes_a_week:
        return None
    rest = used
    for training in week:
        rest -= training.compute_minutes
        if rest + policy.expected_minutes <= policy.compute_minutes_a_week:
            budget = f"of {policy.compute_minutes_a_week:.0f} allowed"
            return Wait(f"trainings took {used:.0f} minutes in seven days, {budget}", training.started_at + WEEK_S)
    return Refuse("the minutes of past trainings are not numbers")


def _in_a_row(past: Sequence[PastTraining], outcome: Outcome) -> int:
    """How many of the last trainings that ended did so like this."""
    count = 0
    for training in reversed([one for one in past if one.outcome is not Outcome.ACTIVE]):
        if training.outcome is not outcome or training.forgiven:
            break
        count += 1
    return count
