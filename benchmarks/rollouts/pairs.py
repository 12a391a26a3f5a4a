"""How many labelled pairs it takes until a worse candidate is rolled back, against the least possible."""

from __future__ import annotations

import math

import numpy as np
from streams import entropy
from until import ALPHA, LINE, Draw

from falaj.rollout.analysis import arms
from falaj.rollout.analysis.betting import Bets


def discordant(rng: np.random.Generator, fixes: float, breaks: float, runs: int) -> tuple[np.ndarray, float]:
    """0/1 losses: pairs until decided, and the bound; who is wrong alone is the arm of an event at weight one half.

    Args:
        rng: Of the draws.
        fixes: Share of the requests that only the candidate answers right.
        breaks: Share that only stable answers right.
        runs: How many.
    """
    theta = breaks / (breaks + fixes)
    per_event = math.log(2) - entropy(np.array([theta, 1 - theta]))
    length = int(15 * LINE / per_event) + 100
    hits = (rng.random((runs, length)) < theta).cumsum(axis=1, dtype=np.int32)
    seen = np.arange(1, length + 1)
    total = sum(
        share * np.exp(np.minimum(hits * np.log(bet) - seen * np.log1p(0.5 * (bet - 1)), 500))
        for bet, share in zip(arms.FASTER, np.exp(arms.LOG_SHARES), strict=True)
    )
    crossed = total >= 1 / ALPHA
    events = np.where(crossed.any(axis=1), crossed.argmax(axis=1), length - 1) + 1
    return events + rng.negative_binomial(events, breaks + fixes), LINE / ((breaks + fixes) * per_event)


def betting(rng: np.random.Generator, draw: Draw, runs: int) -> tuple[np.ndarray, float]:
    """Losses in [0, 1]: pairs until decided, and the bound: the best stake of one who knows the distribution."""
    known = draw(rng, 400_000)
    stakes = np.linspace(0.001, 0.999, 200)
    growth = max(float(np.log1p(stake * known).mean()) for stake in stakes)
    least = LINE / growth
    found = []
    for _ in range(runs):
        bets, count = Bets().start(1.0), 0
        size = max(int(least / 100), 1)
        while bets.log_harm < LINE and count < 15 * least:
            bets, count = bets.observe_pairs(draw(rng, size), 0.0, 0.5), count + size
        found.append(count)
    return np.array(found), least
