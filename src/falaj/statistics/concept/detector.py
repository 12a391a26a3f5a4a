"""Has the loss risen above the reference's? A test that may be looked at after every block, for as long as one likes.

A gambler bets on each block that its loss is above the limit: the stake becomes 1 + lambda (x - limit) times as much,
which is not expected to grow as long as the limit holds. With one new unit of money in each round,

    M_t = (1 + M_{t-1}) (1 + lambda (x_t - limit)),

M_t - t is not expected to grow, so that the mean number of rounds until M_t reaches N is at least N, whatever the
distribution of the losses. The mean over several lambda has the same promise and is near the best of them.

Source: J. Shin, A. Ramdas and A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2 (2024): e-detectors of Shiryaev-Roberts type and their mixtures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from falaj.core.json_record import JsonRecord
from falaj.statistics.concept.baseline import Baseline
from falaj.statistics.concept.blocks import LossBlocks, Vector

BETS = 10
LARGEST_SHARE = 0.95  # of what one block may lose
DAY_S = 86_400.0


@dataclass(frozen=True)
class ConceptAlarm:
    """The loss has risen.

    Attributes:
        at: Event time of the last row of the block that decided, unix seconds.
        known_at: When its last label came in.
        since: Event time from which on the losses speak for a change: an estimate of its onset.
        block: How many blocks had been judged.
        mean: Mean loss of the rows from `since` on; too large if anything, as it is the streak that decided.
    """

    at: float
    known_at: float
    since: float
    block: int
    mean: float

    def in_words(self, metric: str, baseline: Baseline) -> str:
        """What it says, for an alert: the metric's name, its loss since when, and the two parts of the delay."""
        since = datetime.fromtimestamp(self.since, UTC).isoformat(timespec="minutes")
        delay = f"{self.detector_delay_s / DAY_S:.3g} days of evidence, {self.label_lag_s / DAY_S:.3g} days for labels"
        return f"{metric} is {self.mean:.3g} since {since}, {baseline.mean:.3g} in the reference ({delay})"

    @property
    def label_lag_s(self) -> float:
        """How much of the delay was waiting for labels."""
        return max(0.0, self.known_at - self.at)

    @property
    def detector_delay_s(self) -> float:
        """How much of the delay was gathering evidence."""
        return max(0.0, self.at - self.since)


@dataclass(frozen=True)
class ConceptState(JsonRecord):
    """All that is kept between two looks, whatever the number of blocks.

    Attributes:
        log_money: log(1 + M) of each bet.
        rise: Each bet's evidence since its lowest point.
        since: Event time of the first block after each lowest point; None before the first block.
        sums: Rows, and sum of losses, from each lowest point on.
        blocks: Judged so far.
        rows: Judged so far.
        left_out: Rows that had no label.
        alarm: The first alarm; it stays until the monitor gets a new baseline.
    """

    log_money: tuple[float, ...] = (0.0,) * BETS
    rise: tuple[float, ...] = (0.0,) * BETS
    since: tuple[float | None, ...] = (None,) * BETS
    sums: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * BETS
    blocks: int = 0
    rows: int = 0
    left_out: int = 0
    alarm: ConceptAlarm | None = None

    @property
    def log10_evidence(self) -> float:
        """log10(1 + M): an alarm is raised where it exceeds log10 of the run length."""
        return float(np.logaddexp.reduce(self.log_money) - math.log(BETS)) / math.log(10)


def bets(limit: float) -> Vector:
    """The lambdas: from the largest that can be paid down to a five-hundredth of it."""
    return np.asarray(LARGEST_SHARE / limit * 2.0 ** -np.arange(BETS), dtype=np.float64)


def advance(baseline: Baseline, state: ConceptState, blocks: LossBlocks) -> ConceptState:
    """Judge the next blocks.

    Args:
        baseline: What the losses are held against.
        state: After the blocks before these.
        blocks: In the order of their events, each closed; one block is judged once.
    """
    left_out = state.left_out + blocks.left_out
    if not len(blocks):
        return replace(state, left_out=left_out)
    gains = blocks.stake * (baseline.scaled(blocks.mean) - baseline.limit)
    path = _Path(state, np.cumsum(np.log1p(bets(baseline.limit)[:, None] * gains), axis=1), blocks)
    return replace(
        path.state_after(),
        blocks=state.blocks + len(blocks),
        rows=state.rows + int(blocks.rows.sum()),
        left_out=left_out,
        alarm=state.alarm or path.first_alarm(baseline.run_length),
    )


class _Path:
    """The way of every bet over some blocks; arrays have one row a bet and one column a block."""

    def __init__(self, state: ConceptState, log_wealth: Vector, blocks: LossBlocks) -> None:
        self.blocks, self.log_wealth, self.before = blocks, log_wealth, state
        # M_t = W_t (1 + M_0 + sum of 1/W_s over 0 < s < t), W the wealth of a gambler who began with these blocks
        entries = np.concatenate([np.array(state.log_money)[:, None], -log_wealth[:, :-1]], axis=1)
        self.log_money = np.logaddexp(0.0, log_wealth + np.logaddexp.accumulate(entries, axis=1))

    def state_after(self, last: int = -1) -> ConceptState:
        """The state after one of the blocks."""
        last %= len(self.blocks)
        lows = [self._lowest(bet, last) for bet in range(BETS)]
        return replace(
            self.before,
            log_money=tuple(self.log_money[:, last].tolist()),
            rise=tuple(float(self.log_wealth[bet, last] - low) for bet, (low, _) in enumerate(lows)),
            since=tuple(self._since(bet, place) for bet, (_, place) in enumerate(lows)),
            sums=tuple(self._sums(bet, place, last) for bet, (_, place) in enumerate(lows)),
        )

    def _lowest(self, bet: int, last: int) -> tuple[float, int]:
        """The lowest wealth before the end of a block, and the first block after it; -1 means before these blocks."""
        earlier = np.concatenate([[0.0], self.log_wealth[bet, : last + 1]])
        place = len(earlier) - 1 - int(np.argmin(earlier[::-1]))
        candidate_low = -self.before.rise[bet]
        return (candidate_low, -1) if candidate_low < earlier[place] else (float(earlier[place]), place)

    def _since(self, bet: int, place: int) -> float | None:
        if place < 0:
            return self.before.since[bet]
        return float(self.blocks.start[place]) if place < len(self.blocks) else None

    def _sums(self, bet: int, place: int, last: int) -> tuple[float, float]:
        rows, total = self.before.sums[bet] if place < 0 else (0.0, 0.0)
        part = slice(max(place, 0), last + 1)
        count, mean = self.blocks.rows[part], self.blocks.mean[part]
        return rows + float(count.sum()), total + float(count @ mean)

    def first_alarm(self, run_length: float) -> ConceptAlarm | None:
        """The first block at which the mean of all bets reaches the promised run length."""
        # of 1 + M instead of M: the promise is for M, so the one that was added is asked for in addition
        evidence = np.logaddexp.reduce(self.log_money, axis=0) - math.log(BETS)
        reached = np.flatnonzero(evidence >= math.log1p(run_length))
        if not reached.size:
            return None
        first = int(reached[0])
        then = self.state_after(first)
        bet = int(np.argmax(then.log_money))  # the one that is nearest to the size of the change
        rows, total = then.sums[bet]
        since = then.since[bet]
        return ConceptAlarm(
            at=float(self.blocks.end[first]),
            known_at=float(self.blocks.labelled_at[: first + 1].max()),
            since=float(self.blocks.start[first]) if since is None else since,
            block=self.before.blocks + first + 1,
            mean=total / rows if rows else float(self.blocks.mean[first]),
        )
