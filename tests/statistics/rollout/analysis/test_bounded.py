"""Bets on bounded series: fair to series that are no better than zero, whether or not their blocks are alike."""

from __future__ import annotations

import json

import numpy as np
import pytest

from falaj.statistics.rollout.analysis.bounded import BoundedBets

LINE = np.log(100)


def stalls(rng: np.random.Generator, blocks: int) -> np.ndarray:
    """Differences of two processes that each stall now and then, for one to six blocks."""
    countdown, block_differences = np.zeros(2), []
    for _ in range(blocks):
        countdown = np.where(rng.random(2) < 0.05, rng.integers(1, 7, 2), np.maximum(countdown - 1, 0))
        block_differences.append(0.5 * (countdown[1] > 0) - 0.5 * (countdown[0] > 0) + rng.normal(0, 0.05))
    return np.array(block_differences)


def highest(streams: np.ndarray) -> np.ndarray:
    """The largest log wealth of each stream; blocks x streams."""
    bets = BoundedBets.of(streams.shape[1])
    most = np.zeros(streams.shape[1])
    for payoffs in streams:
        bets = bets.play(payoffs)
        most = np.maximum(most, bets.log_wealth)
    return most


def test_stalls_that_last_are_fewer_observations_than_blocks() -> None:
    """With the stakes of independent blocks, 21 of these hundred streams reach the line."""
    streams = np.array([stalls(np.random.default_rng(number), 1_000) for number in range(100)]).T
    assert np.count_nonzero(highest(streams) >= LINE) <= 7


def test_a_mean_above_zero_is_found_soon_where_blocks_are_independent() -> None:
    rng = np.random.default_rng(1)
    assert (highest(np.clip(rng.normal(0.3, 0.3, (60, 20)), -1, 1)) >= LINE).all()


@pytest.mark.parametrize("lasting", [1, 4])
def test_how_much_alike_blocks_are_is_estimated(lasting: int) -> None:
    payoffs = np.repeat(np.random.default_rng(2).normal(0, 0.2, 2_000 // lasting), lasting)
    bets = BoundedBets.of(1)
    for payoff in payoffs:
        bets = bets.play(np.array([payoff]))
    assert bets.alike()[0] == pytest.approx(lasting, abs=0.8)


def test_bets_go_through_json() -> None:
    bets = BoundedBets.of(2, 0.5).play(np.array([0.1, -0.2])).play(np.array([0.3, 0.0]))
    again = BoundedBets.from_json(json.loads(json.dumps(bets.to_json())))
    for before, after in zip(vars(bets).values(), vars(again).values(), strict=True):
        assert np.array_equal(before, after)
