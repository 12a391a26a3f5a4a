"""Bets on pairs of losses: evidence about a mean difference, from stakes that only the past decides.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from falaj.rollout.analysis.batch import Numbers


@dataclass(frozen=True)
class PairedBets:
    """Two gamblers on D = loss of the candidate - loss of stable: one that D's mean is above, one that it is below.

    Attributes:
        count: Pairs so far.
        total: Sum of D.
        squares: Sum of D squared.
        log_harm: Log of the started part of the wealth of the gambler against "mean D <= tolerated"; -inf before the
            first start.
        log_safe: Log wealth of the gambler against "mean D >= margin".
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    log_harm: float = -math.inf
    log_safe: float = 0.0

    def start(self, share: float) -> PairedBets:
        """Put another share of the first gambler's stake at risk."""
        return replace(self, log_harm=float(np.logaddexp(self.log_harm, math.log(share)))) if share > 0 else self

    def observe(self, differences: Numbers, tolerated: float, margin: float) -> PairedBets:
        """Bet on pairs in the order in which their labels arrived.

        Args:
            differences: Loss of the candidate less loss of stable, in [-1, 1].
            tolerated: Mean difference that is no harm.
            margin: Mean difference that must be ruled out.
        """
        if len(differences) == 0:
            return self
        totals = self.total + np.cumsum(differences)
        squares = self.squares + np.cumsum(differences**2)
        count = self.count + np.arange(len(differences))
        mean = np.r_[self.total, totals[:-1]] / (count + 1)  # as if a pair without a difference had come first
        variance = (np.r_[self.squares, squares[:-1]] + 0.25) / (count + 1) - mean**2
        gain, spare = differences - tolerated, margin - differences
        return PairedBets(
            self.count + len(differences),
            float(totals[-1]),
            float(squares[-1]),
            self.log_harm + _log_wealth(gain, mean - tolerated, variance, 1 + tolerated),
            self.log_safe + _log_wealth(spare, margin - mean, variance, 1 - margin),
        )

    def to_json(self) -> dict[str, float | None]:
        """Plain values; what is not yet started is None."""
        return {**asdict(self), "log_harm": self.log_harm if math.isfinite(self.log_harm) else None}

    @staticmethod
    def from_json(document: dict[str, float | None]) -> PairedBets:
        """What `to_json` made."""
        started = document["log_harm"]
        return PairedBets(**{**document, "log_harm": -math.inf if started is None else started})  # type: ignore[arg-type]


def _log_wealth(payoff: Numbers, mean: Numbers, variance: Numbers, worst: float) -> float:
    """Log of the product of 1 + stake x payoff; the stake is Kelly's for the past, at most half of what ruins."""
    stake = np.clip(mean / (variance + mean**2), 0, 1 / (2 * max(worst, 1e-9)))
    return float(np.log1p(stake * payoff).sum())
