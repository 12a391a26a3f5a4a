"""Errors and latency by blocks of time: fair to arms that are alike, whatever time does to both, and not blind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Block, MetricSpec
from falaj.statistics.rollout.analysis.histogram import NOTHING
from falaj.statistics.rollout.analysis.latency_blocks import LatencyBlocks
from falaj.statistics.rollout.analysis.verdict import NOISY

PLAN = AnalysisPlan((MetricSpec.error_blocks(), MetricSpec.latency_blocks()), burn_in_s=10.0, burn_in_max_s=30.0)
Latency = Callable[[np.random.Generator, np.ndarray, np.ndarray, int], np.ndarray]


def alike(rng: np.random.Generator, candidate: np.ndarray, replica: np.ndarray, second: int) -> np.ndarray:
    """Lognormal around 5 ms."""
    return 5 * np.exp(rng.normal(0, 0.4, len(candidate)))


def block(
    rng: np.random.Generator, latency: Latency, second: int, *, rate: float = 20.0, fail: tuple[float, float] = (0, 0)
) -> Block:
    count = int(rng.poisson(2 * rate))
    candidate, replica = rng.random(count) < 0.5, rng.integers(0, 2, count)
    failed = rng.random(count) < np.where(candidate, fail[1], fail[0])
    names = tuple(f"{'cb'[not arm]}{number}" for arm, number in zip(candidate, replica, strict=True))
    return Block(candidate, names, latency(rng, candidate, replica, second), failed, failed)


def run(latency: Latency = alike, seconds: int = 120, seed: int = 0, plan: AnalysisPlan = PLAN, **more) -> Analysis:
    rng, analysis = np.random.default_rng(seed), Analysis.start(plan)
    for second in range(seconds):
        analysis = analysis.observe_block(block(rng, latency, second, **more), second + 1.0, second + 1.0)
        if analysis.verdict().roll_back:
            break
    return analysis


def slower(times: float) -> Latency:
    return lambda rng, candidate, replica, second: (
        alike(rng, candidate, replica, second) * np.where(candidate, times, 1.0)
    )


def stalls(rng: np.random.Generator, candidate: np.ndarray, replica: np.ndarray, second: int) -> np.ndarray:
    """A stall hits one process at a time, for whole seconds: requests of a second are not independent."""
    hit = np.random.default_rng([second, 7]).integers(0, 12)
    process = 2 * candidate + replica
    return alike(rng, candidate, replica, second) * np.where(process == hit, 6.0, 1.0)


@pytest.mark.parametrize("latency", [alike, stalls])
@pytest.mark.parametrize("seed", range(6))
def test_arms_that_are_alike_are_never_told_apart(latency: Latency, seed: int) -> None:
    verdict = run(latency, 240, seed, fail=(0.02, 0.02)).verdict()
    assert not verdict.roll_back, verdict


def test_a_good_candidate_is_found_good_enough() -> None:
    verdict = run(seconds=260).verdict()
    assert verdict.promote and verdict.leave_step < 2
    assert verdict.notes[0].startswith("burn-in took 1")


@pytest.mark.parametrize(("times", "within"), [(1.5, 70), (2.0, 60), (3.0, 60)])
def test_a_slow_candidate_is_rolled_back_soon_after_burn_in(times: float, within: int) -> None:
    analysis = run(slower(times))
    verdict = analysis.verdict()
    assert verdict.roll_back and verdict.culprits == ("latency",)
    assert analysis.updated_s <= within
    [_, latency] = verdict.metrics
    assert latency.ratio == pytest.approx(times, rel=0.2) and latency.at_least == pytest.approx(1.1)


def test_a_slower_candidate_within_what_is_tolerated_is_left_alone() -> None:
    assert not any(run(slower(1.05), 200, seed).verdict().roll_back for seed in range(4))


def test_a_difference_in_microseconds_is_no_harm_however_fast_both_are() -> None:
    def fast(rng, candidate, replica, second):
        return 0.5 * np.exp(rng.normal(0, 0.02, len(candidate))) + np.where(candidate, 0.1, 0.0)

    strict = replace(PLAN, metrics=(MetricSpec.latency_blocks(at_least_ms=0.0),))
    assert not run(fast).verdict().roll_back
    assert run(fast, plan=strict).verdict().roll_back, "it is slower by a fifth"


def test_failures_are_found_and_a_burst_is_one_observation() -> None:
    failing = run(fail=(0.005, 0.2))
    assert failing.verdict().culprits == ("errors",) and failing.updated_s < 40
    rng, analysis = np.random.default_rng(3), Analysis.start(PLAN)
    for second in range(60):
        burst = (0.0, 0.9) if second in (20, 21, 22) else (0.0, 0.0)
        analysis = analysis.observe_block(block(rng, alike, second, fail=burst), second + 1.0, second + 1.0)
    assert not analysis.verdict().roll_back, "three blocks of sixty, with hundreds of failures in them"


def test_a_candidate_that_starts_slowly_is_judged_when_it_has_settled() -> None:
    def lazy(rng, candidate, replica, second):
        return slower(4.0 if second < 25 else 1.0)(rng, candidate, replica, second)

    analysis = run(lazy, 90)
    assert not analysis.verdict().roll_back
    [state] = [each for each in analysis.blocks.values() if isinstance(each, LatencyBlocks)]
    assert state.settled_s is not None and state.settled_s > 25


def test_processes_that_differ_stop_the_judgement_and_not_the_candidate() -> None:
    def uneven(rng, candidate, replica, second):
        """After burn-in one process of each release is on a slow core; the candidate's gets more of the work."""
        slow = (replica == 0) & (second > 15)
        return alike(rng, candidate, replica, second) * np.where(slow, np.where(candidate, 3.0, 2.5), 1.0)

    verdict = run(uneven, 200).verdict()
    assert not verdict.roll_back
    assert verdict.pause == NOISY


def test_blocks_in_which_an_arm_was_not_whole_say_nothing_of_latency() -> None:
    rng, analysis = np.random.default_rng(0), Analysis.start(PLAN)
    for second in range(100):
        cold = replace(block(rng, slower(5.0), second), whole=False)
        analysis = analysis.observe_block(cold, second + 1.0, second + 1.0)
    assert not analysis.verdict().roll_back
    assert "burn-in" not in " ".join(analysis.verdict().notes), "it has not even begun"


@pytest.mark.parametrize("arm", [True, False])
def test_a_block_of_one_arm_alone_is_no_evidence_of_latency_or_of_being_good(arm: bool) -> None:
    analysis = Analysis.start(PLAN)
    for second in range(100):
        alone = Block(np.full(20, arm), ("r",) * 20, np.full(20, 900.0), np.zeros(20, bool), np.zeros(20, bool))
        analysis = analysis.observe_block(alone, second + 1.0, second + 1.0)
    verdict = analysis.verdict()
    assert (verdict.roll_back, verdict.promote, verdict.leave_step) == (False, False, float("inf"))


def test_evidence_goes_through_json_in_the_middle_and_comes_out_the_same() -> None:
    rng, once = np.random.default_rng(5), Analysis.start(PLAN)
    twice = once
    for second in range(60):
        each = block(rng, slower(1.3), second, fail=(0.01, 0.05))
        once = once.observe_block(each, second + 1.0, second + 1.0)
        twice = Analysis.from_json(json.loads(json.dumps(twice.to_json()))).observe_block(
            each, second + 1.0, second + 1.0
        )
        if second == 40:
            once, twice = once.enter_step(), twice.enter_step()
    assert once.verdict() == twice.verdict()


def test_another_pair_of_arms_has_to_settle_and_keeps_what_was_found() -> None:
    analysis = run(slower(1.3), 40)
    before = analysis.evidence().metrics["latency"].harm
    later = analysis.enter_step(another_pair=True)
    [state] = [each for each in later.blocks.values() if isinstance(each, LatencyBlocks)]
    assert (state.settled_s, state.cuts) == (None, ())
    assert later.evidence().metrics["latency"].harm == pytest.approx(before, abs=0.6)


def test_quantiles_of_a_histogram_are_those_of_the_values_to_two_percent() -> None:
    values = np.random.default_rng(1).lognormal(1, 1, 5_000)
    quantile_estimates = NOTHING.add(values[:2_000]).add(values[2_000:]).quantiles((0.5, 0.9, 0.99))
    assert quantile_estimates == pytest.approx(tuple(np.quantile(values, [0.5, 0.9, 0.99])), rel=0.03)
    assert NOTHING.add(np.array([np.inf])).count == 1
