"""How long a rollout would take and what it would risk: the real machine and analysis on simulated requests (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from falaj.statistics.rollout.analysis import Analysis, Batch, Block
from falaj.statistics.rollout.judging import analysis_plan, analysis_report
from falaj.statistics.rollout.plan import WHOLE, RolloutPlan, RolloutStrategy, block_length_s
from falaj.statistics.rollout.state_machine import (
    Ready,
    RolloutProgress,
    RolloutState,
    Started,
    another_share,
    mirror_of,
    transition,
    weight_of,
)

REHEARSED = ("errors", "latency")
"""Metrics that are known with the answer; labels come when they come."""
MOST_REQUESTS = 3_000_000
_MOST_AT_ONCE = 100_000
_PATIENCE = 0.15
_SOONEST_S = 2.0
"""Looks become rarer while a step lasts, by this share of its time; an agent looks more often and decides no later."""
_TICK_S = 1e-3
_MEDIAN_MS = 20.0
_SPREAD = 0.5
_MOVING = (RolloutState.STEPPING, RolloutState.HOLDING, RolloutState.SHADOWING)


@dataclass(frozen=True)
class Stream:
    """The requests of a rehearsal.

    Args:
        rate: Requests a second.
        errors: Share 0..1 of them that the stable release fails.
        worse: The candidate fails so many times as often.
    """

    rate: float
    errors: float
    worse: float = 1.0


@dataclass(frozen=True)
class CompletedPhase:
    """A phase that was left.

    Args:
        state: `stepping`, `holding` or `shadowing`.
        weight: The candidate's share in it, in 1/10,000.
        at_s: When, seconds after the candidate was ready.
        requests: Requests that the candidate had answered by then.
    """

    state: str
    weight: int
    at_s: float
    requests: int


@dataclass(frozen=True)
class Rehearsal:
    """What happened.

    Args:
        left: The phases, in order.
        end: `promoting`, `rolling_back`, `paused`, `inconclusive`; or a phase that was not left within
            `MOST_REQUESTS`.
        reason: Why, in words.
        at_s: When it ended, seconds after the candidate was ready.
        requests: Requests that the candidate had answered by then.
    """

    left: tuple[CompletedPhase, ...]
    end: str
    reason: str
    at_s: float
    requests: int


def rehearsable(plan: RolloutPlan) -> tuple[RolloutPlan, tuple[str, ...]]:
    """The plan with the metrics that can be rehearsed, and the names of those that cannot."""
    rehearsable_metrics = tuple(metric for metric in plan.metrics if metric.name in REHEARSED)
    return replace(plan, metrics=rehearsable_metrics), tuple(
        m.name for m in plan.metrics if m not in rehearsable_metrics
    )


def rehearse(plan: RolloutPlan, stream: Stream, rng: np.random.Generator) -> Rehearsal:
    """Run a rollout on simulated requests until all traffic would move, or go back.

    Latencies are lognormal with a median of 20 ms, the same for both releases.

    Args:
        plan: With metrics that can be rehearsed (`rehearsable`).
        stream: What is asked.
        rng: Source of chance; the same seed gives the same rehearsal.
    """
    past = _MEDIAN_MS * np.exp(rng.normal(0, _SPREAD, 2_000))
    analysis = Analysis.start(analysis_plan(plan, past.tolist(), ()))
    rollout, now, request_count, step_exits = RolloutProgress(), 0.0, 0.0, list[CompletedPhase]()
    for event in (Started(), Ready()):
        rollout = transition(plan, rollout, event, now)
    while rollout.state in _MOVING and request_count < MOST_REQUESTS:
        waited = _until_the_next_look(plan, rollout, stream, now)
        now, request_count = now + waited, request_count + stream.rate * waited
        analysis = _answered(analysis, plan, rollout, stream, round(stream.rate * waited), now, rng)
        after = transition(plan, rollout, analysis_report(analysis.verdict(), plan), now)
        if another_share(rollout, after):
            analysis = analysis.enter_step()
        if after.step != rollout.step or after.state not in _MOVING:
            step_exits.append(CompletedPhase(str(rollout.state), weight_of(plan, rollout), now, analysis.exposed))
        rollout = after
    return Rehearsal(tuple(step_exits), str(rollout.state), rollout.reason, now, analysis.exposed)


def _until_the_next_look(plan: RolloutPlan, rollout: RolloutProgress, stream: Stream, now: float) -> float:
    """Seconds: until the clock decides something, but no longer than patience and memory last."""
    lasted = now - rollout.since
    waits = [max(_SOONEST_S, _PATIENCE * lasted), max(_TICK_S, _MOST_AT_ONCE / stream.rate)]
    judges = bool(plan.metrics) and plan.strategy is not RolloutStrategy.BLUE_GREEN
    turns = [turn - lasted + _TICK_S for turn in (plan.hold_s, plan.max_s) if turn > lasted]
    return min(waits + turns) if judges else min(turns, default=1.0)


def _answered(
    analysis: Analysis, plan: RolloutPlan, rollout: RolloutProgress, stream: Stream, count: int, now: float,
    rng: np.random.Generator,
) -> Analysis:  # fmt: skip
    """The evidence after so many more requests."""
    weight, mirror = weight_of(plan, rollout) / WHOLE, mirror_of(plan, rollout)
    if not plan.metrics or not count or not (weight or mirror):
        return analysis
    bad = min(1.0, stream.errors * stream.worse)
    if mirror:
        copies = rng.binomial(count, mirror)
        stable, shadow = rng.random(copies) < stream.errors, rng.random(copies) < bad
        pairs = Batch.of_pairs(stable, shadow, _latencies(copies, rng), _latencies(copies, rng))
        return analysis.update(pairs, now)
    if analysis.blocks:
        return _by_blocks(analysis, plan, rollout, stream, count, now, rng)
    candidate = rng.random(count) < weight
    failed = rng.random(count) < np.where(candidate, bad, stream.errors)
    cold = np.full(count, now <= plan.burn_in_s)
    return analysis.update(Batch(candidate, np.full(count, weight), failed, _latencies(count, rng), burn_in=cold), now)


def _by_blocks(
    analysis: Analysis, plan: RolloutPlan, rollout: RolloutProgress, stream: Stream, count: int, now: float,
    rng: np.random.Generator,
) -> Analysis:  # fmt: skip
    """The evidence after so many more requests of a canary with a baseline, one block of time after another."""
    weight = weight_of(plan, rollout) / WHOLE
    share = min(weight, 1 - weight)
    length = block_length_s(stream.rate, share)
    blocks = max(1, int(count / (stream.rate * length)))
    for number in range(blocks):
        request_count = int(rng.poisson(count / blocks))
        candidate = rng.random(request_count) < weight
        cold = np.ones(request_count, dtype=bool)
        latency = _latencies(request_count, rng)
        analysis = analysis.update(Batch(candidate, np.full(request_count, weight), ~cold, latency), now)
        analysis = analysis.observe_block(
            _block(request_count, share, stream, rng), now - (blocks - 1 - number) * length, now
        )
    return analysis


def _block(request_count: int, share: float, stream: Stream, rng: np.random.Generator) -> Block:
    count = int(rng.binomial(request_count, min(1.0, 2 * share)))
    candidate = rng.random(count) < 0.5
    bad = min(1.0, stream.errors * stream.worse)
    failed = rng.random(count) < np.where(candidate, bad, stream.errors)
    return Block(candidate, ("",) * count, _latencies(count, rng), failed, failed)


def _latencies(count: int, rng: np.random.Generator) -> np.ndarray:
    return _MEDIAN_MS * np.exp(rng.normal(0, _SPREAD, count))
