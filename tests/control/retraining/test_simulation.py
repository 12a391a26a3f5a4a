"""Policies on histories whose truth is known: nothing of the future is used, and what is counted is what was done."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pytest

from falaj.control.retraining.growth import GrowthPolicy
from falaj.control.retraining.simulation import (
    BY_ALARM,
    BY_GROWTH,
    MONTHLY,
    NEVER,
    CandidateOutcome,
    History,
    SimulationSettings,
    TrainedModel,
    TrainingPolicy,
    simulate,
)
from falaj.control.retraining.training_history import DAY_S
from falaj.control.retraining.windows import TrainingWindow
from falaj.statistics.recalibration import RecalibrationSettings

START = date(2025, 1, 1).toordinal()
FIRST, DAYS, ROWS_A_DAY = START + 40, 240, 40
BARE = SimulationSettings()
MOVED = SimulationSettings(recalibration=RecalibrationSettings(label_delay_days=1))


def history(rate_of_day, *, seed: int = 0, label_delay_days: int = 1) -> History:
    """Rows whose label is likely as the day says."""
    rng = np.random.default_rng(seed)
    day = np.repeat(START + np.arange(DAYS), ROWS_A_DAY)
    rate = np.array([rate_of_day(each) for each in range(DAYS)]).repeat(ROWS_A_DAY)
    return History(day, (rng.random(len(day)) < rate).astype(float), label_delay_days, FIRST)


@dataclass
class RateModel:
    """Learns the rate of the newest 30 days that it may see, and says it of every row."""

    history: History
    calls: list[int] = field(default_factory=list)

    def __call__(self, until: int) -> TrainedModel:
        self.calls.append(until)
        recent_days = (self.history.day < until) & (self.history.day >= until - 30)
        return TrainedModel(until, np.full(len(self.history.day), self.history.label[recent_days].mean()), 0.5)


def steps(day: int) -> float:
    return 0.2 if day < 100 else 0.7


def test_never_trains_once_and_answers_every_day() -> None:
    rows = history(steps)
    train = RateModel(rows)
    simulation_result = simulate(rows, train, NEVER, BARE)
    assert (train.calls, simulation_result.trainings, simulation_result.core_hours) == ([FIRST], (), 0.0)
    assert np.isfinite(simulation_result.answers[rows.served]).all()
    assert np.isnan(simulation_result.answers[~rows.served]).all()
    assert (
        simulation_result.loss
        == simulation_result.bare_loss
        == pytest.approx(float(((simulation_result.answers - rows.label)[rows.served] ** 2).mean()))
    )


def test_the_calendar_trains_on_the_first_of_each_month_on_labels_that_were_there() -> None:
    rows = history(steps, label_delay_days=2)
    train = RateModel(rows)
    simulation_result = simulate(rows, train, MONTHLY, BARE)
    firsts = [date(2025, month, 1).toordinal() for month in range(3, 9)]
    assert [each.day + 1 for each in simulation_result.trainings] == firsts
    assert train.calls[1:] == [first - 2 for first in firsts]
    assert all(each.won and not each.verdict for each in simulation_result.trainings)


def test_growth_judges_on_held_back_days_and_trains_again_on_all() -> None:
    rows = history(steps)
    train = RateModel(rows)
    simulation_result = simulate(rows, train, replace(BY_GROWTH, growth=GrowthPolicy(2.0, None), alarms=False), BARE)
    first = simulation_result.trainings[0]
    assert first.won and "times as many" in first.reason and "blocks" in first.verdict
    backtest_model, refit = train.calls[1:3]
    assert refit == first.day == FIRST + 40  # the labels of 40 more days were there on the evening of this one
    assert backtest_model < refit - 7
    assert first.core_hours == 1.0
    assert simulation_result.core_hours == sum(each.core_hours for each in simulation_result.trainings)


def test_without_refit_the_judged_model_serves() -> None:
    rows = history(steps)
    train = RateModel(rows)
    simulation_result = simulate(rows, train, TrainingPolicy(growth=GrowthPolicy(2.0, None), refit=False), BARE)
    assert len(train.calls) == 1 + len(simulation_result.trainings)
    assert {each.core_hours for each in simulation_result.trainings} == {0.5}


def test_trainings_may_be_run_elsewhere_and_serve_only_where_they_won() -> None:
    rows = history(steps)
    train, asked_for = RateModel(rows), []

    def run_training(window: TrainingWindow, goal: str, live: TrainedModel) -> CandidateOutcome:
        asked_for.append((window.train_until / DAY_S, window.backtest_until / DAY_S, goal, live.until))
        until = round(window.backtest_until / DAY_S)
        return CandidateOutcome(train(until) if len(asked_for) == 2 else None, "run elsewhere", 0.25)

    policy = replace(BY_GROWTH, growth=GrowthPolicy(1.5, None), alarms=False)
    simulation_result = simulate(rows, train, policy, BARE, run_training)
    assert [each.won for each in simulation_result.trainings][:2] == [False, True]
    assert {each.verdict for each in simulation_result.trainings} == {"run elsewhere"}
    (first_until, first_judged, goal, first_live), (_, second_judged, _, _), (*_, third_live) = asked_for[:3]
    assert goal == "not worse" and first_until < first_judged and first_live == FIRST
    assert second_judged - START >= 1.2 * (first_judged - START), "a fifth more rows after one that lost"
    assert third_live == second_judged, "what won is what serves"


def test_an_alarm_trains_after_the_change_and_helps() -> None:
    rows = history(steps)
    simulation_result = simulate(rows, RateModel(rows), BY_ALARM, BARE)
    assert simulation_result.trainings and simulation_result.trainings[0].reason == "a confirmed loss alarm"
    assert START + 100 < simulation_result.trainings[0].day < START + 125
    assert simulation_result.loss < simulate(rows, RateModel(rows), NEVER, BARE).loss


def test_nothing_changes_and_nothing_is_alarmed() -> None:
    rows = history(lambda _: 0.4)
    assert simulate(rows, RateModel(rows), BY_ALARM, BARE).trainings == ()


def test_a_candidate_that_lost_makes_the_next_wait_for_a_fifth_more_rows() -> None:
    rows = history(lambda _: 0.3)

    def worse(until: int) -> TrainedModel:
        score = 0.3 if until == FIRST else 0.9
        return TrainedModel(until, np.full(len(rows.day), score))

    simulation_result = simulate(rows, worse, TrainingPolicy(growth=GrowthPolicy(1.5, None)), BARE)
    assert len(simulation_result.trainings) >= 3 and not any(each.won for each in simulation_result.trainings)
    assert all("worse by at least" in each.verdict for each in simulation_result.trainings)
    counts = [rows.rows_before(each.day) for each in simulation_result.trainings]
    assert all(later >= 1.2 * earlier for earlier, later in itertools.pairwise(counts))


def test_recalibration_follows_the_rate_without_a_training() -> None:
    rows = history(steps)
    moved = simulate(rows, RateModel(rows), NEVER, MOVED)
    assert moved.trainings == ()
    assert moved.bare_loss == simulate(rows, RateModel(rows), NEVER, BARE).loss
    assert moved.loss < moved.bare_loss - 0.05


@pytest.mark.parametrize("policy", [MONTHLY, BY_GROWTH, BY_ALARM])
def test_no_answer_knows_what_comes_later(policy: TrainingPolicy) -> None:
    """The answers up to a day are the same whatever the labels after it are."""
    rows = history(steps)
    cut = START + 150
    label = np.where(rows.day < cut, rows.label, 1 - rows.label)
    other = replace(rows, label=label)
    one, two = (simulate(each, RateModel(each), policy, MOVED).answers for each in (rows, other))
    before = rows.served & (rows.day <= cut)
    assert np.array_equal(one[before], two[before])
    assert not np.array_equal(one[rows.served], two[rows.served])


def test_acceptance_rows_are_neither_learned_from_nor_counted() -> None:
    rows = history(steps)
    reserved_rows = replace(rows, acceptance=(rows.day - START) % 10 == 9)
    assert reserved_rows.rows_before(START + 40) == 36 * ROWS_A_DAY
    assert not (reserved_rows.served & ((rows.day - START) % 10 == 9)).any()
