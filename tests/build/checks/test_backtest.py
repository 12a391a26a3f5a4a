"""A candidate against the champion: what wins, what does not, and why."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.build.checks.backtest import FailingSlice, backtest
from falaj.build.checks.paired import ScoredRows, paired

DAYS = 24


def rows(
    *, candidate: float = 0.0, champion: float = 0.3, days: int = DAYS, day_noise: float = 0.0, seed: int = 0
) -> ScoredRows:
    """Both models know the probability, but for an error of this size; a day may favour one of them."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 100)
    true = rng.uniform(0.2, 0.8, len(day))
    label = (rng.random(len(day)) < true).astype(float)
    lean = np.repeat(rng.normal(0, day_noise, days), 100)

    def scored(error: float, lean: np.ndarray) -> np.ndarray:
        return np.clip(true + error * rng.choice([-1, 1], len(day)) + lean * (label - 0.5), 0, 1)

    return ScoredRows(label, scored(candidate, lean), scored(champion, 0 * lean), day)


@pytest.mark.parametrize("metric", ["brier", "accuracy", "auc", "log_loss"])
def test_a_better_candidate_wins(metric: str) -> None:
    verdict = backtest(metric, rows(), [], rng=np.random.default_rng(0))
    assert verdict.wins
    assert verdict.reasons[0].startswith("better by at least")
    assert "24 blocks" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("scored", "reason"),
    [
        (rows(candidate=0.3, champion=0.0), "worse by at least"),
        (rows(candidate=0.1, champion=0.1), "not shown to be better"),
        (rows(days=7), "7 blocks are too few"),
        (rows(days=0), "there are no rows"),
        (replace(rows(), label=np.full(DAYS * 100, math.nan)), "there are no rows"),
        (replace(rows(), candidate=np.full(DAYS * 100, math.nan)), "missing or not finite"),
        (replace(rows(), candidate=np.zeros(3)), "different lengths"),
    ],
)
def test_a_candidate_that_is_not_shown_to_be_better_does_not_win(scored: ScoredRows, reason: str) -> None:
    verdict = backtest("brier", scored, [], rng=np.random.default_rng(0))
    assert not verdict.wins
    assert reason in verdict.reasons[0]


def test_a_gain_that_is_too_small_for_the_change_does_not_win() -> None:
    assert backtest("brier", rows(), [], rng=np.random.default_rng(0), at_least=0.05).wins
    assert not backtest("brier", rows(), [], rng=np.random.default_rng(0), at_least=0.2).wins


def test_days_are_compared_and_not_rows() -> None:
    wins = {"rows": 0, "days": 0}
    for seed in range(40):
        scored = rows(candidate=0.1, champion=0.1, day_noise=0.1, seed=seed)
        for name, block in (("rows", None), ("days", scored.block)):
            wins[name] += backtest("brier", replace(scored, block=block), [], rng=np.random.default_rng(0)).wins
    assert wins["days"] <= 6  # 2 are expected at most; 7 or more has probability .003 at the promised level
    assert wins["rows"] >= 10


def test_rows_without_a_label_do_not_count() -> None:
    scored = rows()
    label = np.where(np.arange(len(scored.label)) % 2, scored.label, math.nan)
    result = paired("brier", replace(scored, label=label))
    assert result.rows == DAYS * 50
    assert result.blocks == DAYS


slice_ = rows(seed=5)
GATES = [
    (FailingSlice("EV", "brier", slice_, limit=0.25), True, "brier is"),
    (FailingSlice("EV", "brier", slice_, limit=0.01), False, "the limit is 0.01"),
    (FailingSlice("EV", "auc", slice_, limit=0.6), True, "auc is"),
    (FailingSlice("EV", "auc", slice_, limit=0.99), False, "the limit is 0.99"),
    (FailingSlice("EV", "brier", slice_), True, "worse by at most"),
    (FailingSlice("EV", "brier", rows(candidate=0.3, champion=0.0, seed=5)), False, "tolerated 0"),
    (FailingSlice("EV", "brier", rows(days=0)), False, "0 labelled rows are too few"),
    (FailingSlice("EV", "brier", replace(slice_, label=np.full(DAYS * 100, math.nan))), False, "0 labelled rows"),
    (FailingSlice("EV", "nonsense", slice_), False, "no metric"),
    (FailingSlice("EV", "auc", replace(slice_, label=np.ones(DAYS * 100)), limit=0.5), False, "both classes"),
]


@pytest.mark.parametrize(("gate", "passed", "reason"), GATES)
def test_a_captured_gate_lets_in_or_not(gate: FailingSlice, passed: bool, reason: str) -> None:
    verdict = backtest("brier", rows(), [gate], rng=np.random.default_rng(0))
    assert verdict.wins is passed
    assert reason in verdict.gates[0].reason
    assert passed or verdict.reasons[1].startswith("gate EV: ")


def test_winning_on_average_does_not_open_a_gate_and_passing_gates_does_not_win() -> None:
    good, bad = GATES[0][0], GATES[1][0]
    assert not backtest("brier", rows(), [good, bad], rng=np.random.default_rng(0)).wins
    assert not backtest("brier", rows(candidate=0.3, champion=0.0), [good], rng=np.random.default_rng(0)).wins


def test_a_metric_without_a_value_on_resamples_has_no_bounds() -> None:
    label = np.zeros(1000)
    label[:50] = 1.0
    scored = ScoredRows(label, np.linspace(0, 1, 1000), np.linspace(1, 0, 1000), np.arange(1000) // 100)
    result = paired("auc", scored)
    assert result.bounds is None
    assert result.better_by < 0


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 2**32))
def test_any_rows_are_judged_with_a_reason(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.choice([0.0, 1.0, math.nan], count)
    scored = ScoredRows(label, rng.random(count), rng.random(count), rng.integers(0, 12, count))
    verdict = backtest("brier", scored, [FailingSlice("g", "accuracy", scored)], rng=rng)
    assert verdict.reasons
    assert (
        verdict.result is None or verdict.result.bounds is None or verdict.result.bounds[0] <= verdict.result.bounds[1]
    )
