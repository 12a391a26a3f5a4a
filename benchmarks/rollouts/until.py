"""How many canary requests it takes until the evidence suffices, against the least possible: one request at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from streams import bound, rate_bound

from falaj.statistics.rollout.analysis import LATENCY_QUANTILES, MetricSpec, arms, latency, rates

ALPHA, WEIGHT = 0.01, 0.1
LINE = math.log(1 / ALPHA)
BLOCK = 4_000_000  # numbers in memory at once


def of_rates(
    rng: np.random.Generator, base: float, ratio: float, weight: float, runs: int, *, bets: np.ndarray = arms.FASTER,
    shares: np.ndarray | None = None, line: float = LINE,
) -> np.ndarray:  # fmt: skip
    """Exposed canary requests until rollback; only events are simulated, and what lies between them is drawn.

    Runs that are not decided after 15 times the bound count as far as they came.
    """
    shares = np.exp(arms.LOG_SHARES) if shares is None else shares
    rate = min(base * ratio, 0.999)
    per_request = weight * rate + (1 - weight) * base
    events = int(15 * rate_bound(weight, base, ratio, ALPHA) / weight * per_request) + 100
    batches: list[np.ndarray] = []
    while sum(map(len, batches)) < runs:
        count = min(max(BLOCK // events, 1), runs - sum(map(len, batches)))
        hits = (rng.random((count, events)) < weight * rate / per_request).cumsum(axis=1, dtype=np.int32)
        event_counts = np.arange(1, events + 1)
        total = sum(
            share * np.exp(np.minimum(hits * np.log(bet) - event_counts * np.log1p(weight * (bet - 1)), 500))
            for bet, share in zip(bets, shares, strict=True)
        )
        crossed = total >= math.exp(line)
        at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), events - 1)
        others = rng.negative_binomial(at + 1, per_request)
        share = weight * (1 - rate) / (1 - per_request)
        batches.append(hits[np.arange(count), at] + rng.binomial(others, share))
    return np.concatenate(batches)


def oracle(rng: np.random.Generator, base: float, ratio: float, weight: float, runs: int) -> np.ndarray:
    """The best bet of somebody who knows both rates, on every request, with or without the event."""
    rate = min(base * ratio, 0.999)
    least = rate_bound(weight, base, ratio, ALPHA) / weight
    length = int(10 * least) + 200
    mean = weight * rate + (1 - weight) * base
    gains = np.log(np.array([[(1 - base) / (1 - mean), base / mean], [(1 - rate) / (1 - mean), rate / mean]]))
    batches: list[np.ndarray] = []
    while sum(map(len, batches)) < runs:
        count = min(max(BLOCK // length, 1), runs - sum(map(len, batches)))
        candidate = rng.random((count, length)) < weight
        event = rng.random((count, length)) < np.where(candidate, rate, base)
        crossed = gains[candidate.astype(np.int8), event.astype(np.int8)].cumsum(axis=1) >= LINE
        at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), length - 1)
        batches.append(candidate.cumsum(axis=1, dtype=np.int32)[np.arange(count), at])
    return np.concatenate(batches)


def of_latency(
    rng: np.random.Generator, spec: MetricSpec, stable: np.ndarray, candidate: np.ndarray, least: float, runs: int
) -> np.ndarray:
    """Exposed canary requests until the evidence of slower answers suffices, one request at a time.

    Args:
        rng: Of the draws.
        spec: The metric; its bets are those of the package.
        stable: Probability of each class between the cuts.
        candidate: The same.
        least: The bound, to know how long to draw.
        runs: How many.
    """
    length, gains = int(8 * least / WEIGHT) + 500, list(_gains(spec))
    batches: list[np.ndarray] = []
    while sum(map(len, batches)) < runs:
        count = min(max(BLOCK // length, 1), runs - sum(map(len, batches)))
        arm, drawn = rng.random((count, length)) < WEIGHT, rng.random((count, length))
        places = [np.searchsorted(chances.cumsum()[:-1], drawn) for chances in (stable, candidate)]
        outcome = 2 * np.where(arm, places[1], places[0]) + arm
        total = sum(share * np.exp(np.minimum(gain[outcome].cumsum(axis=1), 500)) for gain, share in gains)
        crossed = total >= 1 / ALPHA
        at = np.where(crossed.any(axis=1), crossed.argmax(axis=1), length - 1)
        batches.append(arm.cumsum(axis=1, dtype=np.int32)[np.arange(count), at])
    return np.concatenate(batches)


def _gains(spec: MetricSpec):  # type: ignore[no-untyped-def]
    """Log factor of each (class, arm), and the share of the stake, of each bet."""
    ratios, _ = latency._ratios(spec)
    tail = rates.tail_of(spec)
    bets = [(ratio, 0.5 * share) for ratio, share in zip(ratios.T, np.exp(latency._LOG_SHARES), strict=True)]
    for cut in tail:
        above = np.arange(len(spec.cuts) + 1) > cut
        bets += [
            (np.where(above, bet, 1.0), 0.5 * share / len(tail))
            for bet, share in zip(arms.FASTER, np.exp(arms.LOG_SHARES), strict=True)
        ]
    for ratio, share in bets:
        spread = np.log1p(WEIGHT * (ratio - 1))
        yield np.stack((-spread, np.log(ratio) - spread), axis=1).ravel(), share


Draw = Callable[[np.random.Generator, int], np.ndarray]


def latency_case(draw_stable: Draw, draw_candidate: Draw) -> tuple[MetricSpec, np.ndarray, np.ndarray, float]:
    """The metric with cuts of stable, class probabilities of both arms, and the bound of their whole distributions."""
    rng, size = np.random.default_rng(11), 2_000_000
    stable, candidate = np.sort(draw_stable(rng, size)), draw_candidate(rng, size)
    spec = MetricSpec.latency(tuple(np.quantile(stable, LATENCY_QUANTILES)))
    cells = np.quantile(stable, np.linspace(0, 1, 401)[1:-1])
    fine, coarse = (
        [np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) / size for each in (stable, candidate)]
        for edges in (cells, spec.cuts)
    )
    return spec, *coarse, bound(WEIGHT, *fine, ALPHA)
