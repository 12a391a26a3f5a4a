"""Whether a trigger starts a training now, later or never (pure).

A trigger says that something happened; the decision looks at what has been trained already. Storms end in one run: of
all that happened before a run started, that run is the answer. Loops end too: failures wait twice as long each time
and stop, and after a candidate that did not win the next one waits until there is more to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falaj.control.retraining.growth import rows_to_wait_for
from falaj.control.retraining.training_history import (
    WEEK_S,
    PastTraining,
    RetrainingPolicy,
    TrainingOutcome,
    Trigger,
    TriggerKind,
)

LONGEST_WAIT_FACTOR = 64.0
LOOK_AGAIN_S = 600.0
"""When rows are counted again of which there were too few."""
WITHOUT_ROWS_S = 86_400.0
"""The wait after a candidate that did not win where nobody counts rows; doubled by each further one in a row."""
_HOPEFUL = (TriggerKind.DRIFT, TriggerKind.FEEDBACK, TriggerKind.GROWTH)
"""Kinds that another candidate is hoped for by; the others bring new data or code, or are a person's business."""


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


def decide(
    trigger: Trigger, history: Sequence[PastTraining], policy: RetrainingPolicy, now: float, rows: int = 0
) -> Decision:
    """Decide what a trigger does.

    Args:
        trigger: What happened.
        history: Trainings of the same model, those under way too; at least of the last week, in any order.
        policy: How much training the model is worth.
        now: Unix seconds.
        rows: Labelled rows that a training could learn from now; 0 when nobody counts them.
    """
    past = sorted(history, key=lambda training: training.started_at)
    question = _Question(trigger, past, policy, now, rows)
    for rule in (_repeated_occasion, _untimely, _under_way, _failing, _losing, _cooling, _over_budget):
        decision = rule(question)
        if decision is not None:
            return decision
    return Start(trigger.reason)


def decide_all(
    triggers: Sequence[Trigger], history: Sequence[PastTraining], policy: RetrainingPolicy, now: float, rows: int = 0
) -> list[tuple[Trigger, Decision]]:
    """Decide about all that is waiting for one model: at most one starts, the most urgent.

    Returns:
        Each trigger with its decision, the most urgent first.
    """
    decided: list[tuple[Trigger, Decision]] = []
    past = list(history)
    for trigger in sorted(triggers, key=lambda one: (one.kind.urgency, one.at, one.occasion)):
        decision = decide(trigger, past, policy, now, rows)
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
    rows: int = 0

    @property
    def is_manual(self) -> bool:
        return self.trigger.kind is TriggerKind.MANUAL

    @property
    def failures(self) -> int:
        """How many of the last trainings failed, one after another."""
        return _in_a_row(self.past, TrainingOutcome.FAILED)

    @property
    def losses(self) -> Sequence[PastTraining]:
        """The last candidates, the earliest first, that did not win one after another and are not forgiven."""
        neither = (TrainingOutcome.FAILED, TrainingOutcome.UNCHANGED)
        shown = [training for training in self.past if training.outcome not in neither]
        count = _in_a_row(shown, TrainingOutcome.LOST)
        return [one for one in shown if one.outcome is not TrainingOutcome.ACTIVE][-count:] if count else ()

    @property
    def waits_for_rows(self) -> bool:
        """Whether a candidate of this kind needs more rows than the last one that did not win."""
        return self.trigger.kind in _HOPEFUL and bool(self.losses)


def _repeated_occasion(question: _Question) -> Decision | None:
    """An occasion is trained for once. A later run covers what happened before, except what a person asked for."""
    trigger, past = question.trigger, question.past
    if any(training.occasion == trigger.occasion for training in past):
        return Refuse(f"there was a training for {trigger.occasion} already")
    undone = (TrainingOutcome.FAILED, TrainingOutcome.ACTIVE)
    later = [one for one in past if one.started_at >= trigger.at and one.outcome not in undone]
    if later and not question.is_manual:
        return Refuse(f"the training for {later[-1].occasion} started after this happened, and has seen its data")
    return None


def _untimely(question: _Question) -> Decision | None:
    age = question.now - question.trigger.at
    if age < 0:
        return Wait("it has not happened yet, by this clock", question.trigger.at)
    if question.waits_for_rows:  # which may take months, and does not make the reason go away
        return None
    return Refuse(f"it happened {age:.0f} s ago, which is too long") if age > question.policy.patience_s else None


def _under_way(question: _Question) -> Decision | None:
    active = [training for training in question.past if training.outcome is TrainingOutcome.ACTIVE]
    return Wait(f"the training for {active[-1].occasion} is under way", None) if active else None


def _failing(question: _Question) -> Decision | None:
    policy, failures = question.policy, question.failures
    if not question.is_manual and policy.failures and failures >= policy.failures:
        return Refuse(f"the last {failures} trainings failed: look at why, then resume them")
    return None


def _losing(question: _Question) -> Decision | None:
    """After a candidate that did not win, another waits until there is more to learn from."""
    if not question.waits_for_rows:
        return None
    last = question.losses[-1]
    if not (last.rows and question.rows):
        return _losing_uncounted(question)
    needed = rows_to_wait_for(last.rows, question.policy.regrowth)
    if question.rows >= needed:
        return None
    reason = f"the last candidate did not win with {last.rows} labelled rows, so that the next one waits for {needed}"
    return Wait(f"{reason}; there are {question.rows}", question.now + LOOK_AGAIN_S)


def _losing_uncounted(question: _Question) -> Decision | None:
    last, count = question.losses[-1], len(question.losses)
    until = (last.ended_at or last.started_at) + WITHOUT_ROWS_S * min(2.0 ** (count - 1), LONGEST_WAIT_FACTOR)
    if question.now >= until:
        return None
    return Wait(f"the last {count} candidates did not win, and labelled rows are not counted: it waits longer", until)


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


def _in_a_row(past: Sequence[PastTraining], outcome: TrainingOutcome) -> int:
    """How many of the last trainings that ended did so like this."""
    count = 0
    for training in reversed([one for one in past if one.outcome is not TrainingOutcome.ACTIVE]):
        if training.outcome is not outcome or training.forgiven:
            break
        count += 1
    return count
