"""Bets on losses: evidence about a mean difference, from stakes that only the past decides.

Two gamblers bet on each difference: one that its mean is above what is tolerated, one that it is below the margin.
Neither can expect to win if it is not, so a large wealth is evidence. Stakes are Kelly's for the mean and variance of
the past, at most BOLDEST of what could ruin.

Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from falaj.rollout.analysis.batch import Flags, Numbers

BOLDEST = 0.9
"""Share of the wealth that one loss may cost at most. The paper proposes 1/2 or 3/4; where losses differ little, as of
two versions of a model, that is what slows bets down (benchmarks/rollouts)."""


@dataclass(frozen=True)
class Bets:
    """Wealth of both gamblers, and the past that decides their next stakes.

    Attributes:
        count: Losses (pairs: differences) of (stable, canary); pairs are counted once, in the second.
        total: Sum of losses (differences), likewise.
        squares: Sum of squared differences; unpaired: of squared distances from the running mean.
        log_harm: Log of the started part of the first gambler's wealth; -inf before the first start.
        log_safe: Log wealth of the second.
    """

    count: tuple[int, int] = (0, 0)
    total: tuple[float, float] = (0.0, 0.0)
    squares: float = 0.0
    log_harm: float = -math.inf
    log_safe: float = 0.0

    def start(self, share: float) -> Bets:
        """Put another share of the first gambler's stake at risk."""
        return replace(self, log_harm=float(np.logaddexp(self.log_harm, math.log(share)))) if share > 0 else self

    def observe_pairs(self, difference: Numbers, tolerated: float, margin: float) -> Bets:
        """Bet on pairs in the order in which their labels arrived.

        Args:
            difference: Loss of the candidate less loss of stable on the same request, in [-1, 1].
            tolerated: Mean difference that is no harm.
            margin: Mean difference that must be ruled out.
        """
        if len(difference) == 0:
            return self
        before = self.count[1] + np.arange(len(difference))
        total, squares = _sums(self.total[1], difference), _sums(self.squares, difference**2)
        mean = total[:-1] / (before + 1)
        variance = np.maximum((squares[:-1] + 0.25) / (before + 1) - mean**2, 1e-9)
        return Bets(
            (0, self.count[1] + len(difference)),
            (0.0, float(total[-1])),
            float(squares[-1]),
            self.log_harm + _log_won(difference - tolerated, mean - tolerated, variance, 1 + tolerated),
            self.log_safe + _log_won(margin - difference, margin - mean, variance, 1 - margin),
        )

    def observe_arms(self, canary: Flags, weight: Numbers, loss: Numbers, tolerated: float, margin: float) -> Bets:
        """Bet on losses of requests that one arm answered, by the known probability of the arm.

        (loss - c) (A/w - (1-A)/(1-w)) has as its mean the difference of the arms' means, for any c of the past; the
        running mean keeps it small.

        Args:
            canary: Whether the candidate answered (A).
            weight: The probability of that (w), in (0, 1).
            loss: In [0, 1].
            tolerated: Difference of means that is no harm.
            margin: Difference of means that must be ruled out.
        """
        if len(loss) == 0:
            return self
        counts = [_sums(self.count[arm], (canary == bool(arm)).astype(float)) for arm in (0, 1)]
        totals = [_sums(self.total[arm], np.where(canary == bool(arm), loss, 0.0)) for arm in (0, 1)]
        seen = counts[0] + counts[1]
        centre = (totals[0] + totals[1] + 0.5)[:-1] / (seen + 1)[:-1]
        squares = _sums(self.squares, (loss - centre) ** 2)
        variance = (squares[:-1] + 0.25) / (seen[:-1] + 1) / (weight * (1 - weight))
        means = [(totals[arm][:-1] + centre) / (counts[arm][:-1] + 1) for arm in (0, 1)]
        apart = means[1] - means[0]
        difference = (loss - centre) * np.where(canary, 1 / weight, -1 / (1 - weight))
        lowest = np.maximum(centre / weight, (1 - centre) / (1 - weight))
        highest = np.maximum((1 - centre) / weight, centre / (1 - weight))
        return Bets(
            (int(counts[0][-1]), int(counts[1][-1])),
            (float(totals[0][-1]), float(totals[1][-1])),
            float(squares[-1]),
            self.log_harm + _log_won(difference - tolerated, apart - tolerated, variance, lowest + tolerated),
            self.log_safe + _log_won(margin - difference, margin - apart, variance, highest - margin),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; a wealth of which nothing is started is None."""
        return {**asdict(self), "log_harm": self.log_harm if math.isfinite(self.log_harm) else None}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Bets:
        """What `to_json` made, also after it went through JSON."""
        started = document["log_harm"]
        sums = {"count": tuple(document["count"]), "total": tuple(document["total"])}
        return Bets(**{**document, **sums, "log_harm": -math.inf if started is None else started})


def _sums(first: float, values: Numbers) -> Numbers:
    """Running sums with the one before the first value in front."""
    return np.cumsum(np.concatenate(([first], values)))


def _log_won(payoff: Numbers, mean: Numbers, variance: Numbers, worst: Numbers | float) -> float:
    """Log of the product of 1 + stake x payoff.

    Args:
        payoff: Of each bet; its mean is at most 0 under the null.
        mean: What the past says of it.
        variance: What the past says of it.
        worst: The largest possible loss.
    """
    stake = np.clip(mean / (variance + mean**2), 0, BOLDEST / np.maximum(worst, 1e-9))
    return float(np.log1p(stake * payoff).sum())
