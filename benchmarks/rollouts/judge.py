"""The judge of falaj.rollout.analysis, over many runs at once; `agrees` holds it against the real one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from streams import Counts

from falaj.rollout.analysis import Analysis, AnalysisPlan, Batch, MetricSpec, arms

EVEN = np.array([1.15, 1.3, 1.5, 2, 3, 5, 10, 30])  # the mixture that was proposed first, with even shares


def evidence(counts: Counts, bets: np.ndarray = arms.FASTER, shares: np.ndarray | None = None) -> np.ndarray:
    """E-value of harm after each look; runs x looks."""
    shares = np.exp(arms.LOG_SHARES) if shares is None else shares
    canary, both = counts.canary_events, counts.canary_events + counts.stable_events
    steady = (counts.weight == counts.weight[0]).all()
    hits, seen = canary.cumsum(axis=1), both.cumsum(axis=1)
    total = np.zeros(canary.shape)
    for bet, share in zip(bets, shares, strict=True):
        spread = np.log1p(counts.weight * (bet - 1))
        spent = seen * spread[0] if steady else (both * spread).cumsum(axis=1)
        total += share * np.exp(np.minimum(hits * np.log(bet) - spent, 500))
    return total


def rolls_back(counts: Counts, line: float) -> np.ndarray:
    """Whether the evidence reaches the line at any look, one a run.

    Under one weight it depends on two counts only, and grows with the canary's events: for each number of events there
    is a least number on the canary.
    """
    if not (counts.weight == counts.weight[0]).all():
        return (evidence(counts) >= line).any(axis=1)
    seen = (counts.canary_events + counts.stable_events).cumsum(axis=1)
    least = least_hits(int(seen.max()), float(counts.weight[0]), line)
    return (counts.canary_events.cumsum(axis=1) >= least[seen]).any(axis=1)


@lru_cache(maxsize=8)
def _least_hits(most: int, weight: float, line: float) -> np.ndarray:
    seen = np.arange(most + 1)
    low, high = np.zeros(most + 1, dtype=np.int64), seen + 1  # high: more than there can be
    while (low < high).any():
        middle = (low + high) // 2
        logs = middle[:, None] * np.log(arms.FASTER) - seen[:, None] * np.log1p(weight * (arms.FASTER - 1))
        enough = np.logaddexp.reduce(logs + arms.LOG_SHARES, axis=1) >= np.log(line)
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return high


def least_hits(most: int, weight: float, line: float) -> np.ndarray:
    """Fewest events on the canary that roll back, by the number of events; computed for a rounded-up number."""
    return _least_hits(1 << most.bit_length(), weight, line)


def restarted(counts: Counts, starts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The same with starts at some looks."""
    total = np.zeros(counts.canary.shape)
    for start, share in zip(starts, shares, strict=True):
        later = Counts(*(each[..., start:] for each in vars(counts).values()))
        total[:, :start] += share
        total[:, start:] += share * evidence(later)
    return total


def safety(counts: Counts, margin: float) -> np.ndarray:
    """E-value against a ratio of at least the margin after each look."""
    both = counts.canary_events + counts.stable_events
    spread = np.log1p(counts.weight * (margin - 1))
    return np.exp(
        np.minimum((both * spread).cumsum(axis=1) - counts.canary_events.cumsum(axis=1) * np.log(margin), 500)
    )


def first(crossed: np.ndarray) -> np.ndarray:
    """The first look at which something holds, -1 for never."""
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1)


def agrees(counts: Counts, run: int = 0) -> float:
    """Largest distance of the logs from those of the package, over one run's looks."""
    state = Analysis.start(AnalysisPlan((MetricSpec.errors(),)))
    theirs = np.log(evidence(counts)[run])
    worst = 0.0
    for look in range(600):
        canary, stable = counts.canary[run, look], counts.stable[run, look]
        arm = np.repeat([True, False], [canary, stable])
        event = np.concatenate((
            np.arange(canary) < counts.canary_events[run, look], np.arange(stable) < counts.stable_events[run, look]
        ))  # fmt: skip
        batch = Batch(arm, np.full(len(arm), counts.weight[look]), event, np.zeros(len(arm)))
        state = state.update(batch, float(look))
        worst = max(worst, abs(state.evidence().metrics["errors"].harm - theirs[look]))
    return worst
