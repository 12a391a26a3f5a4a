"""Bets on losses, one a block of time: evidence about a difference that only whole days can show.

Two models differ by the day: all labels of a snowy Monday share the snow, and so do the differences of two models on
them. So a label is no observation of its own. A *block* of event time is: of all labels of its predictions, the
difference D of the mean losses of the arms (of pairs, the mean of their differences) is bet on once.

Differences of a day's means are small against [-1, 1], and bets on them unscaled would grow by nothing. So the payoff
is clip((D - tolerated) / s, -1, 1), with s from blocks of the past and from how many labels this one has. It is a fair
bet, although clipping moves means: where the difference of a block lies symmetrically about a value that is at most
what is tolerated (two versions of one recipe: either may be the luckier one, so about 0), D - tolerated lies no higher
than something symmetric about 0; cutting at equal distances is odd and monotone, so the payoff's mean is at most 0,
whatever s is, as long as s was fixed without D. Promotion bets on margin - D likewise.

Not one stake but some, each with a share of the wealth: of so few blocks no stake can be learnt in time. No bet on a
block can more than double a stake, since its opposite outcome is as likely under the null: a bound of 1% takes 7 blocks
at least, whatever is bet; these take 8.

Sources: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86 (2024);
A. Ramdas, J. Ruf, M. Larsson and W. Koolen, "Admissible anytime-valid sequential inference must rely on nonnegative
martingales" (arXiv 2009.03167), on symmetric nulls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

STAKES = (0.3, 0.6, 0.95)
"""Shares of the wealth that a block may cost."""
_LOG_SHARES = tuple(math.log(share) for share in (0.2, 0.3, 0.5))
SCALE = 2.0
"""A difference of so many of its usual deviations is bet on like any larger one."""
MULTIPLES = (1.0, 2.0, 3.0, 5.0)
"""Times the margin that are tried to be ruled out: usual ramps ask for these before a step is left."""
_FIRST_VARIANCE, _FIRST_LABELS = 0.05, 10
"""What is taken of the variance of a loss before labels tell, and how many labels that is worth."""


@dataclass(frozen=True)
class Difference:
    """What the labels of one block say.

    Attributes:
        value: Mean loss of the candidate less that of stable.
        information: By how much the variance of one loss (of pairs: of one difference) is divided in it.
        within: Sum of squared distances of the losses from their means.
        freedom: Losses that are free to vary in that.
    """

    value: float
    information: float
    within: float
    freedom: int


@dataclass(frozen=True)
class Past:
    """What blocks that were bet on tell of the next ones.

    Attributes:
        blocks: How many.
        total: Sum of their differences.
        squares: Sum of their squares.
        thinness: Sum of 1 / information.
        within: As in `Difference`, summed.
        freedom: Likewise.
        most: The largest information.
    """

    blocks: int = 0
    total: float = 0.0
    squares: float = 0.0
    thinness: float = 0.0
    within: float = 0.0
    freedom: int = 0
    most: float = 0.0

    def and_then(self, block: Difference) -> Past:
        """The past after one more block."""
        return Past(
            self.blocks + 1, self.total + block.value, self.squares + block.value**2,
            self.thinness + 1 / block.information, self.within + block.within, self.freedom + block.freedom,
            max(self.most, block.information),
        )  # fmt: skip

    def deviation(self, information: float) -> float:
        """The deviation of the difference of a block with so much information: of its labels, and of days."""
        return math.sqrt(self._of_labels / information + self._of_days)

    @property
    def _of_labels(self) -> float:
        return (self.within + _FIRST_LABELS * _FIRST_VARIANCE) / (self.freedom + _FIRST_LABELS) + 1e-12

    @property
    def _of_days(self) -> float:
        """By how much differences vary beyond what the labels in them explain."""
        if self.blocks < 2:
            return 0.0
        apart = (self.squares - self.total**2 / self.blocks) / (self.blocks - 1)
        return max(0.0, apart - self._of_labels * self.thinness / self.blocks)


@dataclass(frozen=True)
class Bets:
    """Wealth of all gamblers on one metric, and the past that scales their next payoffs.

    Attributes:
        past: Blocks that were bet on.
        harm: By stake, log of the started part of the wealth on "worse than tolerated"; -inf before the first start.
        safe: By multiple of the margin and by stake, log wealth on "not worse by that".
    """

    past: Past = field(default_factory=Past)
    harm: tuple[float, ...] = (-math.inf,) * len(STAKES)
    safe: tuple[tuple[float, ...], ...] = (_LOG_SHARES,) * len(MULTIPLES)

    def start(self, share: float) -> Bets:
        """Put another share of the stake on harm at risk."""
        return replace(self, harm=self._with(share)) if share > 0 else self

    def on(self, block: Difference, tolerated: float, margin: float) -> Bets:
        """Bet on a block.

        Args:
            block: What its labels say.
            tolerated: Difference that is no harm.
            margin: Difference that must be ruled out.
        """
        deviation = self.past.deviation(block.information)
        least = self.past.deviation(max(self.past.most, block.information))
        scale, boldness = SCALE * deviation, least / deviation  # less on a block of which less can be seen
        return Bets(
            self.past.and_then(block),
            _after(self.harm, boldness * _clipped((block.value - tolerated) / scale)),
            tuple(
                _after(logs, boldness * _clipped((min(1.0, multiple * margin) - block.value) / scale))
                for multiple, logs in zip(MULTIPLES, self.safe, strict=True)
            ),
        )

    def log_harm(self, unspent: float) -> float:
        """Log e-value of harm, with the share of starts that are still to come."""
        return _log_sum(self._with(unspent) if unspent > 0 else self.harm)

    def log_safe(self) -> tuple[float, ...]:
        """Log e-value against "worse by that", one a multiple of the margin."""
        return tuple(_log_sum(logs) for logs in self.safe)

    def carried(self, unspent: float, share: float) -> Bets:
        """The bets of a phase before, with the share of the first start in all that was won."""
        won = self._with(unspent) if unspent > 0 else self.harm
        return replace(self, harm=tuple(each + math.log(share) for each in won))

    def _with(self, share: float) -> tuple[float, ...]:
        fresh = (math.log(share) + each for each in _LOG_SHARES)
        return tuple(_log_sum(pair) for pair in zip(self.harm, fresh, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values; a wealth of which nothing is started is None."""
        return {**asdict(self), "harm": [each if math.isfinite(each) else None for each in self.harm]}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Bets:
        """What `to_json` made, also after it went through JSON."""
        return Bets(
            Past(**document["past"]),
            tuple(-math.inf if each is None else each for each in document["harm"]),
            tuple(tuple(logs) for logs in document["safe"]),
        )


def _after(logs: Sequence[float], payoff: float) -> tuple[float, ...]:
    return tuple(log + math.log1p(stake * payoff) for log, stake in zip(logs, STAKES, strict=True))


def _clipped(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _log_sum(logs: Sequence[float]) -> float:
    highest = max(logs)
    return highest if math.isinf(highest) else highest + math.log(sum(math.exp(each - highest) for each in logs))
