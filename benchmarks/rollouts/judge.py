"""The judge of falaj.statistics.rollout.analysis, over many runs at once; `agrees` holds it against the real one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from streams import Counts, Stream

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Batch, MetricSpec, arms

EVEN = np.array([1.15, 1.3, 1.5, 2, 3, 5, 10, 30])  # the mixture that was proposed first, with even shares

LINE = 100.0


def evidence(counts: Counts, bets: np.ndarray = arms.FASTER, shares: np.ndarray | None = None) -> np.ndarray:
    """E-value of harm after each look; runs x looks."""
    shares = np.exp(arms.LOG_SHARES) if shares is None else shares
    candidate, both = counts.candidate_events, counts.candidate_events + counts.stable_events
    steady = (counts.weight == counts.weight[0]).all()
    hits, event_counts = candidate.cumsum(axis=1), both.cumsum(axis=1)
    total = np.zeros(candidate.shape)
    for bet, share in zip(bets, shares, strict=True):
        spread = np.log1p(counts.weight * (bet - 1))
        spent = event_counts * spread[0] if steady else (both * spread).cumsum(axis=1)
        total += share * np.exp(np.minimum(hits * np.log(bet) - spent, 500))
    return total


def alarms(stream: Stream, rng: np.random.Generator, runs: int, line: float = LINE) -> np.ndarray:
    """Whether runs of a healthy stream are rolled back, looked at after every event.

    Between events nothing changes, so only they are drawn: how many come under each weight, and the arm of each.
    """
    if stream.ratio != 1:
        raise ValueError("a healthy stream has a ratio of 1")
    carried, alarmed = np.zeros((runs, len(arms.FASTER))), np.zeros(runs, dtype=bool)
    for weight, events in stream.events(rng, runs):
        ahead = np.arange(1, int(events.max()) + 1)
        hits = (rng.random((runs, len(ahead)), dtype=np.float32) < weight).cumsum(axis=1, dtype=np.int32)
        real = ahead <= events[:, None]
        if not carried.any():
            alarmed |= ((hits >= least_hits(len(ahead), weight, line)[1 : len(ahead) + 1]) & real).any(axis=1)
        else:
            total = sum(
                np.exp(before[:, None] + hits * np.log(bet) - ahead * np.log1p(weight * (bet - 1)) + share)
                for before, bet, share in zip(carried.T, arms.FASTER, arms.LOG_SHARES, strict=True)
            )
            alarmed |= ((total >= line) & real).any(axis=1)
        last = np.where(events > 0, hits[np.arange(runs), np.maximum(events, 1) - 1], 0)
        carried += last[:, None] * np.log(arms.FASTER) - events[:, None] * np.log1p(weight * (arms.FASTER - 1))
    return alarmed


def promoted(stream: Stream, rng: np.random.Generator, runs: int, line: float) -> np.ndarray:
    """Whether candidates at the margin, the ratio of the stream, are ever promoted; looked at after every event."""
    carried, alarmed = np.zeros(runs), np.zeros(runs, dtype=bool)
    for weight, events in stream.events(rng, runs):
        ahead = np.arange(1, int(events.max()) + 1)
        theta, spread = weight * stream.ratio / (1 + weight * (stream.ratio - 1)), np.log1p(weight * (stream.ratio - 1))
        hits = (rng.random((runs, len(ahead)), dtype=np.float32) < theta).cumsum(axis=1, dtype=np.int32)
        logs = carried[:, None] + ahead * spread - hits * np.log(stream.ratio)
        alarmed |= ((logs >= np.log(line)) & (ahead <= events[:, None])).any(axis=1)
        carried = np.where(events > 0, logs[np.arange(runs), np.maximum(events, 1) - 1], carried)
    return alarmed


@lru_cache(maxsize=8)
def _least_hits(most: int, weight: float, line: float) -> np.ndarray:
    event_counts = np.arange(most + 1)
    low, high = np.zeros(most + 1, dtype=np.int64), event_counts + 1  # high: more than there can be
    while (low < high).any():
        middle = (low + high) // 2
        logs = middle[:, None] * np.log(arms.FASTER) - event_counts[:, None] * np.log1p(weight * (arms.FASTER - 1))
        enough = np.logaddexp.reduce(logs + arms.LOG_SHARES, axis=1) >= np.log(line)
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return high


def least_hits(most: int, weight: float, line: float) -> np.ndarray:
    """Fewest events on the canary that roll back, by the number of events; computed for a rounded-up number."""
    return _least_hits(1 << most.bit_length(), weight, line)


def restarted(counts: Counts, starts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The same with starts at some looks."""
    total = np.zeros(counts.candidate.shape)
    for start, share in zip(starts, shares, strict=True):
        later = Counts(*(each[..., start:] for each in vars(counts).values()))
        total[:, :start] += share
        total[:, start:] += share * evidence(later)
    return total


def safety(counts: Counts, margin: float) -> np.ndarray:
    """E-value against a ratio of at least the margin after each look."""
    both = counts.candidate_events + counts.stable_events
    spread = np.log1p(counts.weight * (margin - 1))
    return np.exp(
        np.minimum((both * spread).cumsum(axis=1) - counts.candidate_events.cumsum(axis=1) * np.log(margin), 500)
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
        candidate, stable = counts.candidate[run, look], counts.stable[run, look]
        arm = np.repeat([True, False], [candidate, stable])
        event = np.concatenate((
            np.arange(candidate) < counts.candidate_events[run, look],
            np.arange(stable) < counts.stable_events[run, look]
        ))  # fmt: skip
        batch = Batch(arm, np.full(len(arm), counts.weight[look]), event, np.zeros(len(arm)))
        state = state.update(batch, float(look))
        worst = max(worst, abs(state.evidence().metrics["errors"].harm - theirs[look]))
    return worst
