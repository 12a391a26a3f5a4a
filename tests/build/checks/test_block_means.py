"""The promise of comparisons by days: with neighbours that are alike, with few days, and what they could have seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.build.checks.backtest import backtest
from falaj.build.checks.block_means import block_mean
from falaj.build.checks.paired import ScoredRows, paired

ROUNDS = 3000
PROMISED = 0.05
SLACK = 3 * math.sqrt(PROMISED * (1 - PROMISED) / ROUNDS)
"""Three standard errors of a share of so many rounds."""


def days(correlation: float, count: int, seed: int) -> np.ndarray:
    """Gains of days that know the day before: a row a round, variance 1, mean 0."""
    noise = np.random.default_rng(seed).standard_normal((ROUNDS, count))
    for day in range(1, count):
        noise[:, day] = correlation * noise[:, day - 1] + math.sqrt(1 - correlation**2) * noise[:, day]
    return noise


def false_wins(gains: np.ndarray, *, ordered: bool = True) -> float:
    return float(np.mean([block_mean(row, ordered=ordered).bounds(0.95)[0] > 0 for row in gains]))


@pytest.mark.parametrize("count", [8, 14, 28])
@pytest.mark.parametrize("correlation", [0.0, 0.27, 0.38])
def test_days_that_know_each_other_do_not_win_more_often_than_promised(correlation: float, count: int) -> None:
    assert false_wins(days(correlation, count, seed=count)) <= PROMISED + SLACK


def test_days_taken_for_independent_break_the_promise() -> None:
    assert false_wins(days(0.38, 28, seed=28), ordered=False) > 2 * PROMISED


@pytest.mark.parametrize("gain", [0.3, 0.8])
@pytest.mark.parametrize("correlation", [0.0, 0.38])
def test_the_power_that_is_stated_is_about_what_comes(correlation: float, gain: float) -> None:
    rows = days(correlation, 28, seed=3)[:1500]
    wins = np.mean([block_mean(row + gain).bounds(0.95)[0] > 0 for row in rows])
    stated = np.mean([block_mean(row).power(gain, 0.95) for row in rows])
    assert abs(wins - stated) < 0.07


def test_a_gain_that_is_detectable_is_seen_with_that_power() -> None:
    mean = block_mean(days(0.2, 20, seed=1)[0])
    assert mean.power(mean.detectable(0.8, 0.95), 0.95) == pytest.approx(0.8, abs=0.01)


@settings(max_examples=60)
@given(st.lists(st.floats(-1, 1), min_size=8, max_size=60), st.booleans())
def test_any_blocks_have_bounds_around_their_mean(values: list[float], ordered: bool) -> None:
    mean = block_mean(np.array(values), ordered=ordered)
    low, high = mean.bounds(0.95)
    assert low <= mean.mean <= high
    assert 1 <= mean.effective <= len(values) + 1e-9
    assert 0 <= mean.power(0.1, 0.95) <= 1
    assert ordered or mean.effective == pytest.approx(len(values))


def test_days_are_put_in_order_by_number_and_by_name() -> None:
    values = days(0.9, 12, seed=5)[0]
    rng = np.random.default_rng(0)
    for names in (np.arange(12), np.arange(12).astype(str), np.array([f"2013-03-{day + 1:02}" for day in range(12)])):
        shuffled = rng.permutation(12).repeat(2)
        label = np.zeros(24)
        rows = ScoredRows(label, np.zeros(24), np.sqrt((values + 9) / 20)[shuffled], names[shuffled])
        paired_result = paired("brier", rows)
        assert paired_result.mean is not None
        assert paired_result.mean.correlation == pytest.approx(block_mean(values).correlation)


def test_a_metric_that_is_no_mean_keeps_the_promise_too() -> None:
    rng, wins = np.random.default_rng(2), 0
    for _ in range(200):
        lean = days(0.38, 20, seed=int(rng.integers(1 << 30)))[0].repeat(30) * 0.5
        label = rng.integers(0, 2, 600).astype(float)
        one, other = rng.normal(label, 1.5), rng.normal(label, 1.5) + lean * (label - 0.5)
        bounds = paired("auc", ScoredRows(label, other, one, np.arange(600) // 30)).bounds
        wins += bounds is not None and bounds[0] > 0
    assert wins <= 20  # 21 or more have probability .002 at the promised 5%


def test_very_many_rows_without_blocks_are_grouped_for_a_metric_that_is_no_mean() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 20_000).astype(float)
    paired_result = paired("auc", ScoredRows(label, rng.normal(label), rng.normal(size=20_000)))
    assert paired_result.bounds is not None and paired_result.bounds[0] > 0.2
    assert paired_result.blocks == 20_000


def test_a_verdict_states_its_power() -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 2000).astype(float)
    score = np.clip(label * 0.4 + rng.uniform(0, 0.6, 2000), 0, 1)
    rows = ScoredRows(label, score, np.clip(score + rng.normal(0, 0.1, 2000), 0, 1), np.arange(2000) // 100)
    verdict = backtest("brier", rows, [], rng=rng, worth=0.004)
    assert verdict.power is not None and verdict.power.gain == 0.004
    assert f"a gain of 0.004 would have been seen in {verdict.power.probability:.0%}" in verdict.reasons[0]
    assert "in 80%" in verdict.reasons[0]
    assert verdict.power.detectable > 0
