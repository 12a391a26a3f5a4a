"""The loop of the year: Falaj's own cores, called as the platform calls them, with days in the place of a clock.

Every evening the day's profile and the labels of the day before come in. A full window is judged. A retraining that
triage asks for goes through the decision, the training window and the backtest; a candidate that wins serves from the
next morning, and monitors begin anew with its reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from year_flights import DAY_S, FIRST_SERVED, LAST, Model, Vector, Year

from falaj.build.checks.backtest import BacktestVerdict, backtest
from falaj.build.checks.paired import ScoredRows
from falaj.control.monitoring.evaluation import LossBlock, MonitorState, WindowBlock, WindowEvaluation, judge
from falaj.control.monitoring.triage import Cause, TriageAction
from falaj.control.retraining import (
    LabelTriggerRule,
    PastTraining,
    RetrainingPolicy,
    Start,
    TooShort,
    TrainingOutcome,
    Trigger,
    TriggerKind,
    Wait,
    WindowPlan,
    decide,
    feedback_trigger,
    training_window,
)
from falaj.dataplane.agent.profiling.tallies import LossRun, LossTally
from falaj.statistics.reference import PREDICTION, MonitoringSettings, ReleaseReference, build_reference

LABEL_DELAY_S = DAY_S
MARGIN = 0.005  # of the example's gate "brier not worse than live"


@dataclass(frozen=True)
class ProjectPolicy:
    """What a project says of its monitors and its trainings.

    Args:
        settings: Of the monitors.
        policy: Of trainings.
        plan: Which rows are learned from.
        labels: So many new labels start a training as well; None leaves it to alerts.
    """

    settings: MonitoringSettings = field(
        default_factory=lambda: MonitoringSettings.of({"block": "day", "window": 7, "label_delay_s": LABEL_DELAY_S})
    )
    policy: RetrainingPolicy = field(default_factory=RetrainingPolicy)
    plan: WindowPlan = field(default_factory=WindowPlan)
    labels: int | None = None


@dataclass
class Alert:
    """From the first window in which something fired to the last.

    Attributes:
        day: When it was opened.
        accused: The model.
        limit: The loss that it may have: the reference's and the tolerance.
        fired: Names of monitors.
        cause: The worst that triage acted on.
        requested_at: Day on which triage first asked for a retraining; None when it did not.
        reasons: Of that.
    """

    day: int
    accused: Model
    limit: float
    fired: set[str] = field(default_factory=set)
    cause: Cause = Cause.NONE
    requested_at: int | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """A candidate and what became of it."""

    day: int
    champion: Model
    candidate: Model
    verdict: BacktestVerdict
    won: bool
    kind: str


class Loop:
    """One year with monitors.

    Args:
        year: The flights.
        policy: What the project says.
    """

    def __init__(self, year: Year, loop_settings: ProjectPolicy) -> None:
        self.year, self.policy = year, loop_settings
        self.alerts: list[Alert] = []
        self.trainings: list[Training] = []
        self.windows = 0
        self.scores: Vector = np.full(len(year.day), np.nan)
        self._history: list[PastTraining] = []
        self._trigger: Trigger | None = None
        self._open: Alert | None = None
        self._counted_from = FIRST_SERVED
        self._begin(year.until(FIRST_SERVED), FIRST_SERVED)

    def live(self) -> Loop:
        """Go from March to December."""
        for day in range(FIRST_SERVED, LAST + 1):
            today = self.year.day == day
            self.scores[today] = self.champion.scores[today]
            self._count(day)
            if day - 1 >= self.since:
                self._label(day - 1)
            if (day + 1) % self.policy.settings.window == 0:
                self._judge(day)
            self._train(day)
        return self

    def _begin(self, champion: Model, day: int) -> None:
        """Serve with a model from a day on."""
        now, before = (day - 1) * DAY_S, getattr(self, "state", None)
        self.champion, self.since, self.release = champion, day, len(self.trainings) + 1
        self.reference: ReleaseReference = build_reference(
            [self.year.out_of_fold(champion.until)], self.policy.settings, salt=b"year"
        )
        self.state = MonitorState.begin(self.release, self.policy.settings.run_length, now, before)
        self.blocks: dict[int, WindowBlock] = {}
        self.tallies: dict[int, LossTally] = {}
        self.filling, self.runs = LossRun(), list[LossBlock]()
        self._open = None

    def _count(self, day: int) -> None:
        """The day's profile, as the agent counts it."""
        today = self.year.day == day
        start, end, reference = (day - 1) * DAY_S, day * DAY_S, self.reference
        assert reference.predictions is not None
        features = reference.features.schema.profile(self.year.some(today), start, end)
        scores = {PREDICTION: self.champion.scores[today]}
        predictions = reference.predictions.schema.profile(scores, start, end)
        self.blocks[day] = WindowBlock(start, end, int(today.sum()), features, predictions)

    def _label(self, day: int) -> None:
        """The labels of a day, as the agent counts them, on the day after."""
        assert self.reference.loss is not None
        that, known_at = self.year.day == day, day * DAY_S + LABEL_DELAY_S
        squared_losses = ((self.champion.scores - self.year.label)[that] ** 2).tolist()
        self.tallies[day] = LossTally().added(squared_losses, [])
        for loss, at in zip(squared_losses, self.year.at[that].tolist(), strict=True):
            self.filling, full = self.filling.added([loss], at, known_at, self.reference.loss.block_rows)
            self.runs += [
                LossBlock(one.number, one.rows, one.total / one.rows, one.start, one.end, one.labelled_at)
                for one in full
            ]

    def _judge(self, day: int) -> None:
        now, size = day * DAY_S, self.policy.settings.window
        days = [each for each in range(day + 1 - size, day + 1) if each in self.blocks]
        blocks = [
            WindowBlock(**{**vars(self.blocks[each]), "losses": self.tallies[each].to_json()})
            if each in self.tallies else self.blocks[each]
            for each in days
        ]  # fmt: skip
        evaluation = judge(self.reference, blocks, self.runs, self.state, now)
        self.state, self.runs, self.windows = evaluation.state, [], self.windows + 1
        self._follow(evaluation, day)
        if evaluation.verdict.act and evaluation.verdict.action is TriageAction.RETRAIN:
            self._ask(evaluation, day)

    def _follow(self, evaluation: WindowEvaluation, day: int) -> None:
        if self._open is None and evaluation.fired:
            assert self.reference.loss is not None
            expected = self.reference.loss.mean
            self._open = Alert(day, self.champion, expected + self.policy.settings.tolerated(expected))
            self.alerts.append(self._open)
        if self._open is None:
            return
        self._open.fired |= set(evaluation.fired)
        self._open.cause = max(self._open.cause, evaluation.verdict.cause, key=lambda cause: cause.severity)
        if self.state.episode.cause is Cause.NONE and self.state.quiet >= 3:
            self._open = None

    def _ask(self, evaluation: WindowEvaluation, day: int) -> None:
        assert self._open is not None
        if self._open.requested_at is None:
            self._open.requested_at, self._open.reasons = day, evaluation.verdict.reasons
        if self._trigger is None:
            reason = "; ".join(evaluation.verdict.reasons)
            occasion = f"alert/{self._open.day}/{day}"
            self._trigger = Trigger(TriggerKind.DRIFT, "flight-delay", occasion, day * DAY_S, reason)

    def _by_labels(self, day: int) -> Trigger | None:
        """The trigger that labels since the last training are, where the project wishes so."""
        labels = int(((self.year.day >= self._counted_from) & (self.year.day < day)).sum())
        feedback_settings = LabelTriggerRule(every=self.policy.labels and self.policy.labels // self.year.every)
        count = str(len(self.trainings))
        return feedback_trigger("flight-delay", count, feedback_settings, labels=labels, loss=None, now=day * DAY_S)

    def _train(self, day: int) -> None:
        """Decide about what waits; train, compare, and promote what wins."""
        self._trigger = self._trigger or self._by_labels(day)
        if self._trigger is None:
            return
        trigger, now = self._trigger, day * DAY_S
        decision = decide(trigger, self._history, self.policy.policy, now)
        if isinstance(decision, Wait):
            return
        self._trigger = None
        if not isinstance(decision, Start):
            return
        by_drift = trigger.kind is TriggerKind.DRIFT and self._open is not None
        drift_at = (self._open.day - self.policy.settings.window) * DAY_S if by_drift and self._open else None
        window = training_window(
            self.policy.plan, data_from=0.0, drift_at=drift_at, label_delay_s=LABEL_DELAY_S, now=now
        )
        if isinstance(window, TooShort):
            self._trigger = trigger
            return
        until = int(window.train_until / DAY_S) + 1
        candidate = self.year.until(until)
        verdict = self._backtest(candidate, int(window.backtest_until / DAY_S))
        won = verdict.wins or (trigger.kind is TriggerKind.DRIFT and _as_good(verdict))
        self.trainings.append(Training(day, self.champion, candidate, verdict, won, str(trigger.kind)))
        self._counted_from = day
        outcome = TrainingOutcome.WON if won else TrainingOutcome.LOST
        self._history.append(PastTraining(trigger.occasion, now, now + 600, outcome, 10.0))
        if won:
            self._begin(candidate, day + 1)

    def _backtest(self, candidate: Model, last: int) -> BacktestVerdict:
        """Candidate beside champion, on days that neither has been trained on."""
        year = self.year
        in_backtest = (year.day >= max(candidate.until, self.champion.until)) & (year.day <= last)
        rows = ScoredRows(
            year.label[in_backtest],
            candidate.scores[in_backtest],
            self.champion.scores[in_backtest],
            year.day[in_backtest],
        )
        return backtest("brier", rows, (), rng=np.random.default_rng(len(self.trainings)))


def _as_good(verdict: BacktestVerdict) -> bool:
    """What a candidate for drift has to show in a run: as good as live within the margin of the gate."""
    bounds = verdict.result.bounds if verdict.result else None
    return bounds is not None and bounds[0] >= -MARGIN
