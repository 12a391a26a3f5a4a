"""Rows to learn from and rows to be judged by."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.control.retraining import (
    TooShort,
    TrainingWindow,
    TrainingWindowError,
    WindowPlan,
    WindowStrategy,
    plan_from_mapping,
)
from falaj.control.retraining import training_window as choose

DAY = 86_400.0


def window(
    plan: WindowPlan, drift_day: float | None = None, now_day: float = 201.5, delay_days: float = 1.0
) -> TrainingWindow | TooShort:
    drift = None if drift_day is None else drift_day * DAY
    return choose(plan, data_from=0.0, drift_at=drift, label_delay_s=delay_days * DAY, now=now_day * DAY)


@pytest.mark.parametrize(
    ("plan", "drift", "days", "reason"),
    [
        (WindowPlan(), None, (0, 172, 200), "all rows; the last 28 blocks judge"),
        (WindowPlan(), 160, (0, 190, 200), "all rows; the last 10 blocks judge"),
        (WindowPlan(), 190, (0, 192, 200), "all rows; the last 8 blocks judge"),
        (WindowPlan(WindowStrategy.SLIDING, length_s=60 * DAY), 160, (140, 190, 200), "the last 60 days"),
        (WindowPlan(WindowStrategy.SLIDING, length_s=900 * DAY), 160, (0, 190, 200), "the last 900 days"),
        (WindowPlan(WindowStrategy.SINCE_DRIFT), 160, (160, 190, 200), "rows since the drift"),
        (WindowPlan(WindowStrategy.SINCE_DRIFT), 190, (172, 192, 200), "the last 28 days, as the drift is younger"),
        (WindowPlan(WindowStrategy.SINCE_DRIFT), None, (0, 172, 200), "no drift is known"),
        (WindowPlan(WindowStrategy.SINCE_DRIFT), 900, (172, 192, 200), "the drift is younger"),
        (WindowPlan(WindowStrategy.WEIGHTED, half_life_s=30 * DAY), 160, (0, 190, 200), "half weight after 30 days"),
        (WindowPlan(block_s=7 * DAY), 160, (0, 140, 196), "8 blocks"),
    ],
)
def test_a_strategy_chooses_rows(plan: WindowPlan, drift: float | None, days: tuple[float, ...], reason: str) -> None:
    training_window = window(plan, drift)
    assert isinstance(training_window, TrainingWindow)
    assert (
        training_window.train_from / DAY,
        training_window.train_until / DAY,
        training_window.backtest_until / DAY,
    ) == days
    assert reason in training_window.reason


def test_the_steps_get_times_and_half_life() -> None:
    training_window = window(WindowPlan(WindowStrategy.WEIGHTED, half_life_s=30 * DAY), 160)
    assert isinstance(training_window, TrainingWindow)
    parameters = training_window.parameters()
    assert parameters["half_life_days"] == 30
    assert datetime.fromisoformat(parameters["train_until"]) == datetime.fromtimestamp(190 * DAY, UTC)
    plain = window(WindowPlan(), 160)
    assert isinstance(plain, TrainingWindow)
    assert set(plain.parameters()) == {"train_from", "train_until", "backtest_until"}


@pytest.mark.parametrize("now_day", [0.0, 0.5, 5.0, 9.9])
def test_too_little_data_says_when_there_is_enough(now_day: float) -> None:
    window_outcome = window(WindowPlan(), now_day=now_day)
    assert isinstance(window_outcome, TooShort)
    assert isinstance(window(WindowPlan(), now_day=window_outcome.ready_at / DAY), TrainingWindow)


@given(
    st.sampled_from(
        [WindowPlan(), WindowPlan(WindowStrategy.SINCE_DRIFT), WindowPlan(WindowStrategy.SLIDING, length_s=20 * DAY)]
    ),
    st.none() | st.floats(-10, 500),
    st.floats(0, 400),
    st.floats(0, 30),
)
def test_what_judges_is_never_trained_on_and_has_its_labels(
    plan: WindowPlan, drift: float | None, now_day: float, delay: float
) -> None:
    window_outcome = window(plan, drift, now_day, delay)
    if isinstance(window_outcome, TrainingWindow):
        assert (
            0
            <= window_outcome.train_from
            < window_outcome.train_until
            < window_outcome.backtest_until
            <= (now_day - delay) * DAY + 1e-6
        )
        assert window_outcome.backtest_until - window_outcome.train_until >= 8 * DAY
    else:
        assert window_outcome.ready_at > now_day * DAY


def test_a_plan_is_read_from_words() -> None:
    assert plan_from_mapping({}) == WindowPlan()
    assert plan_from_mapping({"strategy": "sliding", "length_s": 5.0}) == WindowPlan(
        WindowStrategy.SLIDING, length_s=5.0
    )


@pytest.mark.parametrize(
    ("plan_options", "message"),
    [
        ({"strategy": "newest"}, "no strategy 'newest'"),
        ({"lenght_s": 5}, "no 'lenght_s'"),
        ({"strategy": "sliding"}, "sliding needs"),
        ({"strategy": "weighted", "half_life_s": math.nan}, "weighted needs"),
        ({"block_s": 0}, "positive width"),
        ({"most_blocks": 3}, "at least one judges"),
        ({"backtest_share": 1.0}, "between 0 and 1"),
    ],
)
def test_plans_that_cannot_be_are_refused(plan_options: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingWindowError, match=message):
        plan_from_mapping(plan_options)


def test_times_that_are_no_times_are_refused() -> None:
    with pytest.raises(TrainingWindowError, match="finite"):
        window(WindowPlan(), drift_day=math.nan)
