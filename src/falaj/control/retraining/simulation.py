"""A model's labelled history, lived through again under a policy of trainings (pure, but for what trains).

Every day the model that is live answers, labels arrive as late as they do, the recalibration moves, and the policy
says whether to train. A candidate is judged as in a run: by the days that were held back, beside the live model, by
whole days. One that wins is trained again on all rows and answers from the next day on; after one that lost, rows
have to grow. What is counted: the loss of the answers, the trainings, and the core hours that they took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.backtest import backtest
from falaj.build.checks.paired import ScoredRows
from falaj.config.cron import Cron
from falaj.control.retraining.growth import GrowthPolicy, LabelledGrowth, growth_reason, rows_to_wait_for
from falaj.control.retraining.training_history import DAY_S, TriggerError
from falaj.control.retraining.windows import (
    TooShort,
    TrainingWindow,
    WindowPlan,
    plan_from_mapping,
    training_window,
)
from falaj.statistics.concept import (
    Baseline,
    BaselineError,
    ConceptState,
    LossBlocks,
    Losses,
    advance,
    by_time,
    calibrate,
)
from falaj.statistics.metrics import named
from falaj.statistics.recalibration import LabelledRows, RecalibrationSettings, RecalibrationState, moved, recalibrate

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Labelled rows of a model, in order of their days.

    Args:
        day: Day of each row as a proleptic ordinal (`date.toordinal`), ascending.
        label: One a row.
        label_delay_days: After the end of a day its labels take so many days.
        first_served: The day from which answers count: earlier ones are learned from.
        acceptance: Rows that are never trained on; None when there are none.
    """

    day: NDArray[np.intp]
    label: Vector
    label_delay_days: int
    first_served: int
    acceptance: NDArray[np.bool_] | None = None

    @cached_property
    def learnable(self) -> NDArray[np.bool_]:
        """Rows that may be trained on."""
        return np.ones(len(self.day), dtype=bool) if self.acceptance is None else ~self.acceptance

    @cached_property
    def served(self) -> NDArray[np.bool_]:
        """Rows whose answers count."""
        return (self.day >= self.first_served) & self.learnable

    @cached_property
    def last(self) -> int:
        """The last day."""
        return int(self.day[-1])

    def rows_before(self, day: int) -> int:
        """How many rows there are to learn from, of the days before one."""
        return int(np.count_nonzero(self.learnable[: np.searchsorted(self.day, day)]))


@dataclass(frozen=True)
class TrainedModel:
    """A model that a training gave.

    Attributes:
        until: The first day that it was not trained on.
        scores: Its answer to each row of the history, those that it was trained on too.
        core_hours: What the training took.
    """

    until: int
    scores: Vector
    core_hours: float = 0.0


Train = Callable[[int], TrainedModel]
"""Trains on all rows of the days before one that may be learned from."""


@dataclass(frozen=True)
class CandidateOutcome:
    """What came of a candidate.

    Attributes:
        model: What serves from now on; None when it did not win.
        verdict: Why, in words.
        core_hours: Of all that was trained for it.
    """

    model: TrainedModel | None
    verdict: str
    core_hours: float = 0.0


RunTraining = Callable[[TrainingWindow, str, TrainedModel], CandidateOutcome]
"""Trains a candidate on a window of days and holds it beside the live model; the text is what it has to show."""


@dataclass(frozen=True)
class TrainingPolicy:
    """When trainings are worth it, and what a candidate has to show.

    Args:
        growth: By how many more rows, or by which age; None when neither counts.
        schedules: Lines of a clock, in UTC.
        alarms: A confirmed loss alarm starts a training.
        is_gated: Candidates are held beside the live model; without, what is trained is served.
        refit: What wins is trained again on all rows.
        plan: Which days judge.
    """

    growth: GrowthPolicy | None = None
    schedules: tuple[Cron, ...] = ()
    alarms: bool = False
    is_gated: bool = True
    refit: bool = True
    plan: WindowPlan = field(default_factory=WindowPlan)


NEVER = TrainingPolicy()
MONTHLY = TrainingPolicy(schedules=(Cron.parse("0 0 1 * *"),), is_gated=False)
WEEKLY = TrainingPolicy(schedules=(Cron.parse("0 0 * * 1"),), is_gated=False)
BY_GROWTH = TrainingPolicy(growth=GrowthPolicy(), alarms=True)
BY_ALARM = TrainingPolicy(alarms=True)
USUAL: Mapping[str, TrainingPolicy] = {
    "never": NEVER, "monthly": MONTHLY, "by growth": BY_GROWTH, "by alarm": BY_ALARM,
}  # fmt: skip
"""What a policy is always shown beside. Those by the clock serve whatever they train, as a bare cron job does."""


@dataclass(frozen=True)
class Trained:
    """A training of the simulation.

    Attributes:
        day: When it was started.
        reason: In words.
        won: Whether its model came in.
        verdict: Why, in words; empty when nothing was judged.
        core_hours: Of all that was trained for it.
    """

    day: int
    reason: str
    won: bool
    verdict: str
    core_hours: float


@dataclass(frozen=True)
class Simulated:
    """What came of a policy.

    Attributes:
        loss: Mean loss of the answers, as they were moved.
        bare_loss: Mean loss of what the models said.
        trainings: Each, in order.
        core_hours: Of all of them.
        answers: One a row of the history; not a number before the first day that counts.
    """

    loss: float
    bare_loss: float
    trainings: tuple[Trained, ...]
    core_hours: float
    answers: Vector


@dataclass(frozen=True)
class SimulationSettings:
    """What holds for all policies of a simulation.

    Args:
        metric: Whose loss counts; a mean of losses of rows.
        margin: Within which a candidate for an alarm is as good as the live model.
        confidence: Of the comparison.
        recalibration: How answers are moved; None leaves them as the model gives them.
        alarm_run_length: Days between false alarms, as promised.
        alarm_tolerance: By how much the loss may rise.
    """

    metric: str = "brier"
    margin: float = 0.005
    confidence: float = 0.95
    recalibration: RecalibrationSettings | None = None
    alarm_run_length: float = 365.0
    alarm_tolerance: float = 0.0


def simulate(
    history: History,
    train: Train,
    policy: TrainingPolicy,
    settings: SimulationSettings,
    run_training: RunTraining | None = None,
) -> Simulated:
    """Live through a history.

    Args:
        history: The rows.
        train: Trains, or takes what was trained before for the same days.
        policy: When trainings are worth it.
        settings: What holds for all policies.
        run_training: Trains and judges candidates; None to do as a run does, with what `train` gives.
    """
    return _Life(history, train, policy, settings, run_training).lived()


class _Life:
    """One policy's way through the days."""

    def __init__(
        self,
        history: History,
        train: Train,
        policy: TrainingPolicy,
        settings: SimulationSettings,
        run_training: RunTraining | None,
    ) -> None:
        self.history, self.train, self.policy, self.settings = history, train, policy, settings
        self.run_training = run_training or self._train_and_compare
        self.answers = np.full(len(history.day), np.nan)
        self.bare = np.full(len(history.day), np.nan)
        self.trainings: list[Trained] = []
        self.recalibration = RecalibrationState()
        self.rows_needed = 0
        first = history.first_served
        self._serve(train(first), first)

    def lived(self) -> Simulated:
        for day in range(self.history.first_served, self.history.last + 1):
            self._answer(day)
            self._watch(day)
            self._consider(day)
        return self._result()

    def _serve(self, model: TrainedModel, day: int) -> None:
        self.live, self.since, self.number = model, day, getattr(self, "number", 0) + 1
        self.recalibration = self.recalibration.of_release(self.number)
        self.concept, self.alarm = ConceptState(), False
        self.baseline: Baseline | None = None
        self.watched_until = day

    def _rows(self, first: int, end: int) -> slice:
        """The rows of the days from one to before another."""
        return slice(*np.searchsorted(self.history.day, [first, end]))

    def _answer(self, day: int) -> None:
        today = self._rows(day, day + 1)
        scores = self.live.scores[today]
        self.bare[today] = self.answers[today] = scores
        if self.settings.recalibration is not None:
            self.recalibration = self._recalibrated(day, self.settings.recalibration)
            kind = self.settings.recalibration.kind
            self.answers[today] = moved(kind, scores, self.recalibration.applied)

    def _recalibrated(self, day: int, settings: RecalibrationSettings) -> RecalibrationState:
        """By the labels of days that the live model was not trained on."""
        rows = self._rows(max(self.live.until, day - settings.oldest_days), day)
        mask = self.history.learnable[rows]
        when = self.history.day[rows][mask].astype(np.float64)
        labelled = LabelledRows(
            when,
            when + 1 + self.history.label_delay_days,
            self.live.scores[rows][mask],
            self.history.label[rows][mask],
        )
        return recalibrate(self.recalibration, labelled, float(day), settings)

    def _watch(self, day: int) -> None:
        """Feed the detector with the losses whose labels came; its first weeks are what it expects."""
        if not self.policy.alarms:
            return
        newest = day - self.history.label_delay_days + 1
        first = self.live.until
        if self.baseline is None:
            if newest - first < _REFERENCE_DAYS:
                return
            self._expect(first, first + _REFERENCE_DAYS)
            self.watched_until = first + _REFERENCE_DAYS
        if self.baseline is not None and newest > self.watched_until:
            self.concept = advance(self.baseline, self.concept, self._losses(self.watched_until, newest))
            self.watched_until = newest
            self.alarm = self.concept.alarm is not None

    def _expect(self, first: int, end: int) -> None:
        length, tolerance = self.settings.alarm_run_length, self.settings.alarm_tolerance
        try:
            self.baseline = calibrate(self._losses(first, end), run_length=length, tolerance=tolerance)
        except BaselineError:  # a loss that never varies says nothing
            self.baseline = None

    def _losses(self, first: int, end: int) -> LossBlocks:
        rows = self._rows(first, end)
        loss = _row_loss(self.settings.metric, self.history.label[rows], self.live.scores[rows])
        at = self.history.day[rows].astype(np.float64) * DAY_S
        return by_time(Losses(loss, at, at + self.history.label_delay_days * DAY_S), DAY_S)

    def _consider(self, day: int) -> None:
        """Train where the policy says so; what it gives serves from the next day on."""
        label_day = day + 1 - self.history.label_delay_days
        reason, hope = self._reason(day, label_day)
        if not reason or (hope != "not worse" and self._too_few(label_day)):
            return
        if not self.policy.is_gated:
            model = self.train(label_day)
            self.trainings.append(Trained(day, reason, True, "", model.core_hours))
            self._serve(model, day + 1)
            return
        self._judge(day, label_day, reason, hope)

    def _too_few(self, label_day: int) -> bool:
        return self.history.rows_before(label_day) < self.rows_needed

    def _reason(self, day: int, label_day: int) -> tuple[str, str]:
        """Why to train, and what the candidate has to show."""
        if self.alarm:
            return "a confirmed loss alarm", "as good"
        tomorrow = (day + 1) * DAY_S
        if any(_due(line, day + 1) for line in self.policy.schedules):
            return "the clock", "not worse"
        if self.policy.growth is None or self._too_few(label_day):
            return "", ""
        learned, now = self.history.rows_before(self.live.until), self.history.rows_before(label_day)
        growth = LabelledGrowth(learned, now, self.live.until * DAY_S)
        return growth_reason(self.policy.growth, growth, tomorrow), "not worse"

    def _judge(self, day: int, label_day: int, reason: str, hope: str) -> None:
        window = training_window(
            self.policy.plan, data_from=float(self.history.day[0]) * DAY_S, drift_at=None, label_delay_s=0.0,
            now=label_day * DAY_S,
        )  # fmt: skip
        if isinstance(window, TooShort):
            return
        outcome = self.run_training(window, hope, self.live)
        if outcome.model is not None:
            self._serve(outcome.model, day + 1)
        else:
            self.rows_needed = rows_to_wait_for(self.history.rows_before(label_day))
            self.alarm = False
            self.concept = ConceptState()
        won = outcome.model is not None
        self.trainings.append(Trained(day, reason, won, outcome.verdict, outcome.core_hours))

    def _train_and_compare(self, window: TrainingWindow, hope: str, _live: TrainedModel) -> CandidateOutcome:
        label_day = round(window.backtest_until / DAY_S)
        backtest_model = self.train(round(window.train_until / DAY_S))
        won, verdict = self._compared(backtest_model, label_day, hope)
        if not won or not self.policy.refit:
            return CandidateOutcome(backtest_model if won else None, verdict, backtest_model.core_hours)
        refit = self.train(label_day)
        return CandidateOutcome(refit, verdict, backtest_model.core_hours + refit.core_hours)

    def _compared(self, backtest_model: TrainedModel, label_day: int, hope: str) -> tuple[bool, str]:
        """Beside the live model, on days that neither was trained on."""
        rows = self._rows(max(backtest_model.until, self.live.until), label_day)
        allowed = self.history.learnable[rows]
        scored = ScoredRows(
            self.history.label[rows][allowed], backtest_model.scores[rows][allowed], self.live.scores[rows][allowed],
            self.history.day[rows][allowed],
        )  # fmt: skip
        rng = np.random.default_rng(0)
        margin = self.settings.margin
        comparison = backtest(
            self.settings.metric, scored, (), rng=rng, confidence=self.settings.confidence, worth=margin
        )
        bounds = comparison.result.bounds if comparison.result else None
        if hope == "not worse":
            won = bounds is None or bounds[1] >= 0
        else:
            won = comparison.wins or (bounds is not None and bounds[0] >= -margin)
        return won, "; ".join(comparison.reasons)

    def _result(self) -> Simulated:
        served, label = self.history.served, self.history.label
        loss = float(_row_loss(self.settings.metric, label[served], self.answers[served]).mean())
        bare = float(_row_loss(self.settings.metric, label[served], self.bare[served]).mean())
        hours = sum(each.core_hours for each in self.trainings)
        return Simulated(loss, bare, tuple(self.trainings), hours, self.answers)


_REFERENCE_DAYS = 28
"""So many of a model's first days say what loss is expected of it."""


def _row_loss(metric: str, label: Vector, score: Vector) -> Vector:
    row_loss = named(metric).row_loss
    assert row_loss is not None
    return row_loss(label, score)


def _due(line: Cron, day: int) -> bool:
    """Whether a clock ticks on a day; its hour does not matter where days are the clock."""
    start = (day - date(1970, 1, 1).toordinal()) * DAY_S
    return line.before(start + DAY_S - 1) >= start


def in_order(results: Mapping[str, Simulated]) -> Sequence[tuple[str, Simulated]]:
    """The policies, the best first."""
    return sorted(results.items(), key=lambda item: item[1].loss)


def policy_of(wishes: Sequence[Mapping[str, Any]]) -> TrainingPolicy:
    """The policy that entries of `retrain` are.

    Args:
        wishes: As the project file's reader gives them.

    Raises:
        TriggerError: An entry cannot be replayed: what starts it is not in the history.
    """
    policy = TrainingPolicy()
    for entry in wishes:
        match entry["on"]:
            case "growth":
                usual = GrowthPolicy()
                growth = GrowthPolicy(entry.get("factor", usual.factor), entry.get("max_age_s", usual.max_age_s))
                policy = replace(policy, growth=growth)
            case "drift":
                policy = replace(policy, alarms=True)
            case "schedule":
                line = Cron.parse(entry["cron"], entry.get("timezone") or "UTC")
                policy = replace(policy, schedules=(*policy.schedules, line))
            case other:
                raise TriggerError(
                    f"a history does not know when `on: {other}` would have started a training",
                    hint="growth, drift and schedule can be replayed",
                )
    plan = next((plan_from_mapping(entry["window"]) for entry in wishes if entry.get("window")), policy.plan)
    return replace(policy, refit=all(entry.get("refit", True) for entry in wishes), plan=plan)
