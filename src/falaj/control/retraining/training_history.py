"""What a decision about retraining looks at: what happened, what was trained, and how much training is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from falaj.core.errors import UsageError

DAY_S = 86_400.0
REGROWTH = 1.2
WEEK_S = 7 * DAY_S


class TriggerError(UsageError):
    """A trigger or a policy that says nothing sensible."""

    code = "retraining.trigger"


class TriggerKind(StrEnum):
    """Why a training is wanted; the more urgent, the earlier."""

    MANUAL = "manual"
    DRIFT = "drift"
    FEEDBACK = "feedback"
    EVENT = "event"
    GROWTH = "growth"
    SCHEDULE = "schedule"

    @property
    def urgency(self) -> int:
        """Smaller is more urgent."""
        return list(TriggerKind).index(self)


class TrainingOutcome(StrEnum):
    """How a training ended."""

    ACTIVE = "active"
    WON = "won"
    UNCHANGED = "unchanged"
    LOST = "lost"
    FAILED = "failed"


@dataclass(frozen=True)
class Trigger:
    """Something that happened.

    Args:
        kind: What kind of thing.
        model: Of which model.
        occasion: A name of it that no other has: a tick, a snapshot's digest, an alert, a request.
        at: When it happened, unix seconds.
        reason: In words; stands in the evidence of the release that comes of it.
        beyond_budget: A person who may has said that the budget does not matter; with `manual` alone.

    Raises:
        TriggerError: There is no occasion, or the time is not finite.
    """

    kind: TriggerKind
    model: str
    occasion: str
    at: float
    reason: str
    beyond_budget: bool = False

    def __post_init__(self) -> None:
        if not self.occasion.strip() or not math.isfinite(self.at):
            raise TriggerError("a trigger needs a name of its occasion and a finite time")
        if self.beyond_budget and self.kind is not TriggerKind.MANUAL:
            raise TriggerError(f"a {self.kind.value} trigger cannot go beyond the budget")

    def started(self, now: float) -> PastTraining:
        """The training that it starts, for the history."""
        return PastTraining(self.occasion, now, None, TrainingOutcome.ACTIVE)


@dataclass(frozen=True)
class PastTraining:
    """A training of the model.

    Attributes:
        occasion: Of the trigger that started it.
        started_at: Unix seconds.
        ended_at: Unix seconds; None while it runs.
        outcome: How it ended.
        compute_minutes: Used so far.
        forgiven: A person has looked at how it ended: it does not count when failures and losses in a row are.
        rows: Labelled rows that there were when it started; 0 when they were not counted.
    """

    occasion: str
    started_at: float
    ended_at: float | None
    outcome: TrainingOutcome
    compute_minutes: float = 0.0
    forgiven: bool = False
    rows: int = 0

    def ended(self, outcome: TrainingOutcome, compute_minutes: float, now: float) -> PastTraining:
        """The same training when it has ended."""
        return replace(self, outcome=outcome, compute_minutes=compute_minutes, ended_at=now)


def _cooldowns() -> Mapping[TriggerKind, float]:
    return {TriggerKind.DRIFT: 6 * 3600.0, TriggerKind.FEEDBACK: 6 * 3600.0, TriggerKind.EVENT: 3600.0}


@dataclass(frozen=True)
class RetrainingPolicy:
    """How much training a model is worth.

    Args:
        cooldown_s: By kind, from the end of a training to the start of the next; 0 where it is not named.
        runs_a_week: Most trainings in seven days.
        compute_minutes_a_week: Most minutes of compute in seven days.
        expected_minutes: What one training is expected to take.
        failures: So many failed trainings in a row stop all but a manual one.
        regrowth: After a candidate that did not win, labelled rows have to grow by this factor before drift, labels
            or growth start another.
        patience_s: A trigger that has waited longer is not worth a training any more.

    Raises:
        TriggerError: A number is negative or not a number.
    """

    cooldown_s: Mapping[TriggerKind, float] = field(default_factory=_cooldowns)
    runs_a_week: int = 7
    compute_minutes_a_week: float = 600.0
    expected_minutes: float = 0.0
    failures: int = 3
    regrowth: float = REGROWTH
    patience_s: float = WEEK_S

    def __post_init__(self) -> None:
        numbers = (self.compute_minutes_a_week, self.expected_minutes, self.patience_s, *self.cooldown_s.values())
        if not all(number >= 0 for number in (*numbers, self.runs_a_week, self.failures, self.regrowth)):
            raise TriggerError("a policy of retraining has a number that is negative or not a number")
