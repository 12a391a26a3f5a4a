"""The daily offset and its learned strength: what labels ask for, what is trusted, and how far it goes."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.recalibration import (
    AnswerKind,
    DayRecord,
    LabelledRows,
    Limit,
    RecalibrationSettings,
    RecalibrationState,
    fit_offset,
    learned_strength,
    moved,
    recalibrate,
)
from falaj.statistics.recalibration.offset import log_odds, probability

BINARY, REGRESSION = AnswerKind.BINARY, AnswerKind.REGRESSION
scores = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)
offsets = st.floats(-3, 3)


def days_of(first, last, *, needed, rows=300, seed=0, delay=1.0, kind=BINARY):
    """Labelled rows of whole days, whose truth lies `needed(day)` away from what the release answers."""
    rng, parts = np.random.default_rng(seed), []
    for day in range(first, last):
        score = rng.uniform(0.05, 0.6, rows)
        if kind is BINARY:
            label = (rng.random(rows) < probability(log_odds(score) + needed(day))).astype(float)
        else:
            label = score + needed(day) + rng.normal(0, 0.1, rows)
        at = day + rng.random(rows)
        parts.append(LabelledRows(at, at + delay, score, label))
    columns = zip(*[(p.predicted, p.arrived, p.score, p.label) for p in parts], strict=True)
    return LabelledRows(*(np.concatenate(column) for column in columns))


def replay(rows, first, last, chosen=None, state=None):
    state, chosen = state or RecalibrationState(), chosen or RecalibrationSettings()
    for day in range(first, last):
        state = recalibrate(state, rows, day, chosen)
    return state


@given(scores, offsets)
def test_the_fit_is_where_its_derivative_is_zero(score, truth):
    label = (np.random.default_rng(len(score)).random(len(score)) < probability(log_odds(score) + truth)).astype(float)
    offset = fit_offset(BINARY, score, label, 5)
    weight = 5 * max(float(np.mean(score * (1 - score))), 1e-9)
    slope = float(np.sum(label - probability(log_odds(score) + offset))) - weight * offset
    near = float(np.sum(label - probability(log_odds(score) + offset + 1e-6))) - weight * (offset + 1e-6)
    assert abs(slope) < 1e-6 or slope * near < 0 or abs(slope) < 1e-6 * len(score)


@given(scores, st.integers(0, 1))
def test_labels_of_one_class_alone_and_certain_answers_give_a_finite_offset(score, label):
    assert math.isfinite(fit_offset(BINARY, score, np.full(len(score), float(label)), 500))


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_more_pseudo_rows_shrink_more(few, many):
    few, many = sorted((few, many))
    rows = days_of(0, 3, needed=lambda _: 0.6)
    strong = fit_offset(BINARY, rows.score, rows.label, few)
    weak = fit_offset(BINARY, rows.score, rows.label, many)
    assert 0 < weak <= strong + 1e-9


def test_without_rows_nothing_is_moved():
    assert fit_offset(BINARY, np.empty(0), np.empty(0), 500) == 0
    assert replay(LabelledRows.empty(), 0, 30).applied == 0


@given(scores, offsets)
def test_moving_keeps_the_order_and_the_range(score, offset):
    after = moved(BINARY, np.sort(score), offset)
    assert np.all(np.diff(after) >= 0)
    assert np.all((after >= 0) & (after <= 1))


@given(scores)
def test_an_offset_of_zero_changes_no_bit(score):
    assert np.array_equal(moved(BINARY, score, 0.0), score)
    assert np.array_equal(moved(REGRESSION, score, 0.0), score)


@given(scores, offsets)
def test_moving_there_and_back_again(score, offset):
    inner = np.clip(score, 1e-6, 1 - 1e-6)
    assert np.allclose(moved(BINARY, moved(BINARY, inner, offset), -offset), inner)
    assert np.allclose(moved(REGRESSION, moved(REGRESSION, inner, offset), -offset), inner)


def test_a_lasting_need_is_found_and_comes_to_be_trusted():
    rows = days_of(0, 80, needed=lambda _: 0.6)
    state = replay(rows, 1, 80)
    assert state.strength > 0.85
    assert state.applied == pytest.approx(0.6, abs=0.12)
    assert state.limit is Limit.NONE


def test_days_that_need_what_chance_gives_are_not_trusted():
    """Whole days move, independently of each other: a window's mean says little of the next day."""
    rng = np.random.default_rng(1)
    need = rng.normal(0, 0.7, 200)
    rows = days_of(0, 200, needed=lambda day: need[day])
    state = replay(rows, 1, 200)
    assert state.strength < 0.35


def test_a_regression_is_moved_by_an_offset_of_the_number():
    rows = days_of(0, 60, needed=lambda _: 3.0, kind=REGRESSION)
    state = replay(rows, 1, 60, RecalibrationSettings(kind=REGRESSION, bound=5))
    assert state.applied == pytest.approx(3.0, abs=0.6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(-4, 4), st.floats(0.1, 2))
def test_the_bound_and_the_largest_step_hold_on_every_day(seed, need, bound):
    rows = days_of(0, 25, needed=lambda day: need if day > 8 else -need, rows=80, seed=seed)
    chosen, state = RecalibrationSettings(bound=bound), RecalibrationState()
    for day in range(1, 26):
        after = recalibrate(state, rows, day, chosen)
        assert abs(after.applied) <= bound + 1e-12
        assert abs(after.applied - state.applied) <= bound / 3 + 1e-12
        full_offset = after.strength * after.proposed
        assert (after.limit is Limit.NONE) == (after.applied == full_offset)
        assert after.limit is not Limit.BOUND or abs(full_offset) > bound
        state = after


def test_the_bound_is_said_to_be_reached():
    rows = days_of(0, 40, needed=lambda _: 3.0)
    state = replay(rows, 1, 40, RecalibrationSettings(bound=0.5))
    assert (state.applied, state.limit) == (0.5, Limit.BOUND)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 20), st.floats(0, 9))
def test_labels_that_come_later_and_rows_of_the_future_change_nothing(seed, today, delay):
    rows = days_of(0, 22, needed=lambda day: day / 20, rows=40, seed=seed, delay=delay)
    by_then = rows.where((rows.predicted < today) & (rows.arrived <= today))
    assert replay(rows, 1, today + 1) == replay(by_then, 1, today + 1)


def test_labels_that_come_a_week_late_are_used_when_they_come():
    rows = days_of(0, 60, needed=lambda _: 0.6, delay=7.0)
    assert replay(rows, 1, 8).applied == 0
    assert replay(rows, 1, 60).applied > 0.4


def test_a_day_counts_when_its_labels_are_all_there():
    rows = days_of(0, 10, needed=lambda _: 0.6, delay=0.0)
    assert replay(rows, 1, 10).rows == 9 * 300
    assert replay(rows, 1, 10, RecalibrationSettings(label_delay_days=2)).rows == 7 * 300


def test_a_second_call_on_the_day_changes_nothing():
    rows = days_of(0, 10, needed=lambda _: 0.6)
    state = replay(rows, 1, 10)
    assert recalibrate(state, LabelledRows.empty(), 9.9, RecalibrationSettings()) is state


def test_a_clock_that_was_ahead_is_forgotten_when_it_is_right_again():
    rows = days_of(0, 40, needed=lambda _: 0.6)
    ahead = recalibrate(replay(rows, 1, 20), rows, 400, RecalibrationSettings())
    again = recalibrate(ahead, rows, 20, RecalibrationSettings())
    assert again.day == 20
    assert [day.day for day in again.days] == list(range(1, 21))


def test_a_new_release_starts_at_zero_and_keeps_the_strength():
    rows = days_of(0, 60, needed=lambda _: 0.6)
    state = replay(rows, 1, 50)
    fresh = state.of_release(2)
    assert (fresh.applied, fresh.proposed, fresh.day, fresh.days) == (0.0, 0.0, None, ())
    assert fresh.strength == state.strength
    assert len(fresh.earlier_days) == len(state.days)
    assert fresh.of_release(2) is fresh
    assert recalibrate(fresh, LabelledRows.empty(), 50, RecalibrationSettings()).strength == pytest.approx(
        state.strength, abs=0.05
    )


def test_what_is_remembered_is_bounded():
    rows, chosen = days_of(0, 60, needed=lambda _: 0.3, rows=20), RecalibrationSettings(remembered_days=10)
    state = replay(rows, 1, 60, chosen)
    assert len(state.days) == 10
    assert len(recalibrate(state.of_release(2), rows, 60, chosen).earlier_days) == 10


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 100)), max_size=30))
def test_the_strength_lies_between_nothing_and_all(days):
    records = [DayRecord(day, a, a / 2, b, weight, 10) for day, (a, b, weight) in enumerate(days)]
    assert 0 <= learned_strength(records, 0.5, 10) <= 1


def test_before_anything_is_learned_half_is_trusted_and_ten_days_weigh_as_much_as_that():
    assert learned_strength([], 0.5, 10) == 0.5
    ten = [DayRecord(day, 0.4, 0.2, 0.4, 30.0, 200) for day in range(10)]
    assert learned_strength(ten, 0.5, 10) == pytest.approx(0.75)


@pytest.mark.integration
def test_it_needs_numpy_alone():
    code = (
        "import sys, falaj.statistics.recalibration; "
        "print({n.split('.')[0] for n in sys.modules} & {'scipy','polars','pyarrow','pandas','sklearn','sqlalchemy'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
