"""All bets of a plan on the arms of events, as one table, so that one look is a few array operations.

A row of the table bets on one series of a tally. Errors are one row; latency is a row a cut in the tail; a score bin
is two rows, for more and for fewer; the split of the traffic is two rows on the series of all requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from falaj.statistics.rollout.analysis import arms
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.plan import TAIL, AnalysisPlan, MetricKind, MetricSpec
from falaj.statistics.rollout.analysis.tally import Counts, Tally

COMMON_EVENT = 0.2  # above this rate, requests without the event say enough to be bet on
SMALLER = np.array([0.5, 0.1, 0.01])  # rates that are bet on, times the floor
GATES = (5.0, 3.0, 2.0)  # ratios that usual ramps ask to be ruled out


@dataclass(frozen=True, eq=False)
class CountTable:
    """Bets on series of one tally.

    Attributes:
        series: Which series a row bets on.
        ratios: Bets of a row; rows x bets.
        tolerated: The null of a row; rows x 1.
        without: Ratios for requests without the event, 1 where they are not bet on; rows x bets.
    """

    series: NDArray[np.int64]
    ratios: Numbers
    tolerated: Numbers
    without: Numbers

    def log_harm(self, tally: Tally, plan: AnalysisPlan, step: int) -> Numbers:
        """Log e-value of each row against its null."""
        steps, weights, counts = tally.arrays()
        events = counts[:, self.series]
        stable, candidate = events[..., 0], events[..., 1]
        factors = arms.log_likelihood(weights, candidate, stable, self.ratios)
        factors = factors - arms.log_likelihood(weights, candidate, stable, self.tolerated)
        if (self.without != 1).any():
            others = counts[:, :1] - events
            factors = factors + arms.log_likelihood(weights, others[..., 1], others[..., 0], self.without)
        return log_restarted(steps, factors, plan, step)


@lru_cache(maxsize=64)
def rows_of(spec: MetricSpec) -> int:
    """How many rows of the table of requests are a metric's."""
    return len(_rows(spec, 0))


@lru_cache(maxsize=64)
def request_table(plan: AnalysisPlan) -> CountTable:
    """The bets on what is seen at once, metric by metric; the last two rows are the split of the traffic."""
    rows = [row for spec in plan.metrics for row in _rows(spec, first_series(plan, spec))]
    return _table([*rows, *_both_sides(0, 1.0)])


def width(spec: MetricSpec) -> int:
    """How many series of requests a metric has."""
    at_once = {
        MetricKind.ERRORS: 1,
        MetricKind.LATENCY: len(spec.cuts),
        MetricKind.DISTRIBUTION: len(spec.cuts) + 1,
    }
    return at_once.get(spec.kind, 0)


def first_series(plan: AnalysisPlan, spec: MetricSpec) -> int:
    """Where a metric's series begin among those of requests; series 0 is all of them."""
    return 1 + sum(width(before) for before in plan.metrics[: plan.metrics.index(spec)])


def tail_of(spec: MetricSpec) -> list[int]:
    """Which cuts of a latency metric are in the tail."""
    return [index for index, quantile in enumerate(spec.quantiles) if quantile >= TAIL]


@lru_cache(maxsize=64)
def nulls_of(spec: MetricSpec) -> Numbers:
    """Ratios that are tried to be ruled out, ascending: the margin, the gates of ramps, and a grid for the bound."""
    grid = arms.GRID[(arms.GRID > 1.05) & (arms.GRID < 65)]
    return np.unique(np.concatenate((grid, GATES, [spec.margin])))


def log_ruled_out(weights: Numbers, events: Counts, rows: Counts, nulls: Numbers, floor: float) -> Numbers:
    """Log e-value against "the ratio is at least this null"; series x nulls.

    The bet is on equal rates. With a floor, half of the stake bets that the canary's own rate is below null x floor:
    under the null it is not, since a stable rate below the floor counts as the floor.

    Args:
        weights: One a cell.
        events: Cells x series x arm.
        rows: All requests, cells x arm.
        nulls: Ratios above 1.
        floor: Least rate of stable that counts; 0 for none.
    """
    likelihood = arms.log_likelihood(weights, events[..., 1], events[..., 0], np.concatenate(([1.0], nulls)))
    against = likelihood.sum(axis=0)
    by_arm: Numbers = against[:, :1] - against[:, 1:]
    if floor == 0:
        return by_arm
    event_count, count = events[..., 1].sum(axis=0)[:, None, None], rows[:, 1].sum()
    highest = np.minimum(nulls * floor, 0.5)
    spare = np.log1p(-highest[:, None] * SMALLER) - np.log1p(-highest)[:, None]
    own = arms.log_mean_exp(event_count * np.log(SMALLER) + (count - event_count) * spare)
    halved: Numbers = np.logaddexp(by_arm, own) - math.log(2)
    return halved


def log_restarted(
    steps: Counts, factors: Numbers, plan: AnalysisPlan, step: int, log_shares: Numbers = arms.LOG_SHARES
) -> Numbers:
    """Log of the mixture over starts and bets: each start bets on what came at its step and after.

    Args:
        steps: Step of each cell.
        factors: Log factors of the bets, cells x series x bets.
        plan: Has the shares of the starts.
        step: The current one; starts of later steps keep their share.
        log_shares: Of the stake on each bet.

    Returns:
        One a series.
    """
    shares = plan.shares_until(step)
    started = np.flatnonzero(shares)
    since = np.array([factors[steps >= start].sum(axis=0) for start in started])  # starts x series x bets
    logs = np.logaddexp.reduce(since + log_shares, axis=-1) + np.log(shares[started])[:, None]
    unspent_share = plan.unspent(step)
    mixed: Numbers = np.logaddexp.reduce(logs, axis=0)
    return np.logaddexp(mixed, math.log(unspent_share)) if unspent_share > 0 else mixed


def _rows(spec: MetricSpec, first: int) -> list[tuple[int, Numbers, float, Numbers]]:
    match spec.kind:
        case MetricKind.ERRORS:
            return [_more(first, spec.tolerated, spec.expected_rate)]
        case MetricKind.LATENCY:
            return [_more(first + index, spec.tolerated, None) for index in tail_of(spec)]
        case MetricKind.DISTRIBUTION:
            bins = range(first, first + len(spec.cuts) + 1)
            return [row for series in bins for row in _both_sides(series, spec.tolerated)]
    return []


def _more(series: int, tolerated: float, expected_rate: float | None) -> tuple[int, Numbers, float, Numbers]:
    if expected_rate is not None and expected_rate > COMMON_EVENT and tolerated == 1:
        ratios, without = arms.spared(arms.FASTER, expected_rate)
        return series, ratios, tolerated, without
    return series, tolerated * arms.FASTER, tolerated, np.ones_like(arms.FASTER)


def _both_sides(series: int, tolerated: float) -> list[tuple[int, Numbers, float, Numbers]]:
    one = np.ones_like(arms.FASTER)
    return [
        (series, tolerated * arms.FASTER, tolerated, one),
        (series, 1 / (tolerated * arms.FASTER), 1 / tolerated, one),
    ]


def _table(rows: list[tuple[int, Numbers, float, Numbers]]) -> CountTable:
    series, ratios, tolerated, without = zip(*rows, strict=True)
    return CountTable(np.array(series), np.array(ratios), np.array(tolerated)[:, None], np.array(without))
