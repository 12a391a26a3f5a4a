"""Bets on several bounded series at once: evidence that the mean of each is above zero.

Stakes are Kelly's for the mean and variance of the past, so they are fixed before the block that they are on; the
wealth of a gambler whose series has, given its past, a mean of at most zero is a supermartingale.

Blocks that follow each other may be alike: a stall lasts. Then so many blocks are worth fewer, and the stake is smaller
by as much as sums of blocks vary more than they would if blocks were independent (the integrated autocorrelation).

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis.batch import Numbers

BOLDEST = 0.9
"""Share of the wealth that one block may cost at most, if not told otherwise."""
_PRIOR_VARIANCE = 0.25
_LAGS = 8
"""Blocks that so many others lie between are taken to be independent."""
_ASSUMED = 3.0
"""So much is added to how alike blocks are before any was seen; benchmarks/rollouts/blocks.py tries stalls on it."""
_TRUSTED_AFTER = 40  # blocks after which half of what was seen is believed


@dataclass(frozen=True, eq=False)
class BoundedBets:
    """One gambler a series.

    Attributes:
        count: Blocks that each bet on.
        total: Sum of the payoffs of each.
        squares: Sum of their squares.
        log_wealth: Log of the started part of each one's wealth; -inf before the first start.
        lately: The last payoffs, newest first; lags x series.
        products: Sums of products of payoffs that are 1, 2, ... blocks apart; lags x series.
    """

    count: Numbers
    total: Numbers
    squares: Numbers
    log_wealth: Numbers
    lately: Numbers
    products: Numbers

    @staticmethod
    def of(series: int, share: float = 1.0) -> BoundedBets:
        """So many gamblers, with a share of their stake at risk."""
        nothing = np.zeros(series)
        started = np.full(series, math.log(share) if share > 0 else -math.inf)
        lags = np.zeros((_LAGS, series))
        return BoundedBets(nothing, nothing, nothing, started, lags, lags)

    def start(self, share: float) -> BoundedBets:
        """Put another share of each stake at risk: for faults that begin now."""
        if share <= 0:
            return self
        return replace(self, log_wealth=np.logaddexp(self.log_wealth, math.log(share)))

    def play(self, payoff: Numbers, worst: Numbers | float = 1.0, boldest: float = BOLDEST) -> BoundedBets:
        """Bet on one block.

        Args:
            payoff: Of each series, at least -`worst`; its mean given the past is at most 0 under the null.
            worst: The largest possible loss of each.
            boldest: Share of the wealth that the block may cost at most.
        """
        mean = self.total / (self.count + 1)
        variance = np.maximum((self.squares + _PRIOR_VARIANCE) / (self.count + 1) - mean**2, 1e-9)
        stake = np.clip(mean / (variance * self.alike() + mean**2), 0, boldest / np.maximum(worst, 1e-9))
        return BoundedBets(
            self.count + 1, self.total + payoff, self.squares + payoff**2,
            self.log_wealth + np.log1p(stake * payoff),
            np.vstack((payoff, self.lately[:-1])), self.products + payoff * self.lately,
        )  # fmt: skip

    def alike(self) -> Numbers:
        """How many times more sums of blocks of each series vary than sums of independent ones would; at least 1."""
        count = np.maximum(self.count, 1)
        mean = self.total / count
        variance = np.maximum(self.squares / count - mean**2, 1e-9)
        pairs = np.maximum(count - np.arange(1, _LAGS + 1)[:, None], 1)
        correlation = np.clip((self.products / pairs - mean**2) / variance, 0, 1)
        believed = count / (count + _TRUSTED_AFTER)
        times: Numbers = 1 + 2 * believed * correlation.sum(axis=0) + (1 - believed) * _ASSUMED
        return times

    def to_json(self) -> dict[str, Any]:
        """Plain values; a wealth of which nothing is started is None."""
        wealth = [value if math.isfinite(value) else None for value in self.log_wealth.tolist()]
        return {
            "count": self.count.tolist(), "total": self.total.tolist(), "squares": self.squares.tolist(),
            "log_wealth": wealth, "lately": self.lately.tolist(), "products": self.products.tolist(),
        }  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> BoundedBets:
        """What `to_json` made."""
        wealth = [-math.inf if value is None else value for value in document["log_wealth"]]
        columns = (document["count"], document["total"], document["squares"], wealth,
                   document["lately"], document["products"])  # fmt: skip
        return BoundedBets(*(np.array(column, dtype=np.float64) for column in columns))
