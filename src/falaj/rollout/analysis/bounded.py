"""Bets on several bounded series at once: evidence that the mean of each is above zero.

Stakes are Kelly's for the mean and variance of the past, so they are fixed before the block that they are on; the
wealth of a gambler whose series has a mean of at most zero is a supermartingale, whatever the blocks before were like.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from falaj.rollout.analysis.batch import Numbers

BOLDEST = 0.9
"""Share of the wealth that one block may cost at most, if not told otherwise."""
_PRIOR_VARIANCE = 0.25


@dataclass(frozen=True, eq=False)
class BoundedBets:
    """One gambler a series.

    Attributes:
        count: Blocks that each bet on.
        total: Sum of the payoffs of each.
        squares: Sum of their squares.
        log_wealth: Log of the started part of each one's wealth; -inf before the first start.
    """

    count: Numbers
    total: Numbers
    squares: Numbers
    log_wealth: Numbers

    @staticmethod
    def of(series: int, share: float = 1.0) -> BoundedBets:
        """So many gamblers, with a share of their stake at risk."""
        nothing = np.zeros(series)
        started = np.full(series, math.log(share) if share > 0 else -math.inf)
        return BoundedBets(nothing, nothing, nothing, started)

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
        stake = np.clip(mean / (variance + mean**2), 0, boldest / np.maximum(worst, 1e-9))
        wealth = self.log_wealth + np.log1p(stake * payoff)
        return BoundedBets(self.count + 1, self.total + payoff, self.squares + payoff**2, wealth)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a wealth of which nothing is started is None."""
        wealth = [value if math.isfinite(value) else None for value in self.log_wealth.tolist()]
        return {
            "count": self.count.tolist(), "total": self.total.tolist(), "squares": self.squares.tolist(),
            "log_wealth": wealth,
        }  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> BoundedBets:
        """What `to_json` made."""
        wealth = [-math.inf if value is None else value for value in document["log_wealth"]]
        columns = (document["count"], document["total"], document["squares"], wealth)
        return BoundedBets(*(np.array(column, dtype=np.float64) for column in columns))
