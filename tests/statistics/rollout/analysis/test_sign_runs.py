"""Runs of blocks that name one arm: a burst is about one observation, and a fault that stays is found."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest

from falaj.statistics.rollout.analysis import AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.sign_runs import SignRuns

PLAN = AnalysisPlan((MetricSpec.error_blocks(),))


def after(blocks: Iterable[int], runs: SignRuns | None = None) -> SignRuns:
    extended_runs = SignRuns() if runs is None else runs
    for more in blocks:
        extended_runs = extended_runs.add(0, more)
    return extended_runs


def log_harm(runs: SignRuns) -> float:
    return runs.log_harm(0.5, PLAN, 0)


def bursts(rng: np.random.Generator, seconds: int, an_hour: float, lasting: int) -> list[int]:
    """Which arm fails more: in bursts, of either arm alike, and in single blocks now and then."""
    countdown, signs = np.zeros(2), list[int]()
    for _ in range(seconds):
        countdown = np.where(rng.random(2) < an_hour / 3600, lasting, np.maximum(countdown - 1, 0))
        worse = (countdown > 0) | (rng.random(2) < 0.03)
        signs.append(int(worse[1]) - int(worse[0]))
    return signs


def rolled_back(signs: list[int]) -> bool:
    runs = SignRuns()
    for second, more in enumerate(signs):
        runs = runs.add(0, more)
        if more > 0 and second % 3 == 0 and log_harm(runs) >= np.log(200):
            return True
    return False


def test_bursts_of_either_arm_end_few_of_many_hours() -> None:
    """Bets at even odds on each block end 7 of these 40."""
    hours = 40
    ends = sum(rolled_back(bursts(np.random.default_rng(number), 3_600, 6, 10)) for number in range(hours))
    assert ends <= 2


def test_the_longer_runs_were_the_less_another_block_of_one_says() -> None:
    fresh = after([1] * 8)
    learned = after([-1] * 10 + [0] * 12 + [1] * 10 + [0] * 12)
    gain = log_harm(after([1] * 8, learned)) - log_harm(learned)
    assert 0 < gain < 0.5 * log_harm(fresh)


def test_what_goes_on_beyond_the_longest_run_is_found() -> None:
    learned = after(([-1] * 10 + [0] * 12 + [1] * 10 + [0] * 12) * 3)
    assert log_harm(learned) < np.log(200) < log_harm(after([1] * 60, learned))


def test_the_run_of_the_candidate_teaches_nothing_before_it_is_over() -> None:
    """Else a fault that stays would excuse itself."""
    going_on = after([1] * 30)
    assert going_on.went_on == (0, 0, 0, 0, 0)
    assert sum(after([0] * 30, going_on).went_on) == 29
    assert sum(after([-1], going_on).went_on) == 29


def test_a_fault_that_shows_now_and_then_is_one_long_run_and_is_found() -> None:
    signs = (np.random.default_rng(1).random(300) < 0.4).astype(int)
    assert log_harm(after(signs)) > np.log(200)


def test_runs_that_turn_as_often_as_they_go_on_are_fair_coins_and_found_as_such() -> None:
    """Many failures of both arms: a block that goes on is about as good as one that begins."""
    rng = np.random.default_rng(2)
    coins = after(2 * int(each) - 1 for each in rng.integers(0, 2, 2_000))
    assert log_harm(coins) < 0
    worse = after(2 * int(each) - 1 for each in rng.random(400) < 0.75)
    assert log_harm(worse) > np.log(200)


@pytest.mark.parametrize("tolerated", [1.0, 1.5, 3.0])
def test_a_candidate_as_bad_as_is_tolerated_is_left_alone(tolerated: float) -> None:
    """With few failures it is the worse arm in tolerated of 1 + tolerated blocks."""
    even = tolerated / (1 + tolerated)
    rng = np.random.default_rng(3)
    for _ in range(20):
        runs = after(1 if named else -1 for named in rng.random(400) < even)
        assert runs.log_harm(even, PLAN, 0) < np.log(200)


def test_it_goes_through_json_in_the_middle_of_a_run() -> None:
    signs = bursts(np.random.default_rng(5), 600, 60, 8)
    once = after(signs)
    twice = SignRuns.from_json(json.loads(json.dumps(after(signs[:300]).to_json())))
    assert after(signs[300:], twice) == once
