"""From counts to evidence: one function a kind of metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from falaj.rollout.analysis import arms
from falaj.rollout.analysis.batch import Numbers
from falaj.rollout.analysis.betting import PairedBets
from falaj.rollout.analysis.plan import LATENCY_QUANTILES, AnalysisPlan, MetricSpec
from falaj.rollout.analysis.tally import Counts, Tally

SMALLER = np.array([0.5, 0.1, 0.01])  # rates that are bet on, times the floor or the tolerated disagreement
NULLS = np.unique(np.r_[5.0, 3.0, 2.0, arms.GRID[(arms.GRID > 1.05) & (arms.GRID < 65)]])


@dataclass(frozen=True)
class Evidence:
    """What one metric says; logs are natural.

    Attributes:
        harm: Log e-value against "not worse than tolerated".
        safe: Log e-value against "worse by the margin or more".
        events: Of (stable, canary).
        requests: Of (stable, canary).
        ratio: The estimate.
        at_least: Its lower bound.
        at_most: Its upper bound.
    """

    harm: float
    safe: float
    events: tuple[int, int]
    requests: tuple[int, int]
    ratio: float | None
    at_least: float | None
    at_most: float


def of_rate(tally: Tally, series: int, spec: MetricSpec, plan: AnalysisPlan, step: int,
            expected_rate: float | None = None) -> Evidence:  # fmt: skip
    """Evidence about the ratio of the rates of one series of events."""
    steps, weights, counts = tally.arrays()
    events, rows = counts[:, series], counts[:, 0]
    if expected_rate is not None and expected_rate > arms.COMMON_EVENT and spec.tolerated == 1:
        factors = arms.log_harm_common(weights, events, rows, expected_rate)
    else:
        factors = arms.log_harm(weights, events[:, 1], events[:, 0], spec.tolerated)
    nulls = np.unique(np.r_[NULLS, spec.margin])
    ruled_out = log_ruled_out(weights, events, rows, nulls, spec.floor)
    likelihood = arms.log_likelihood(weights, events[:, 1], events[:, 0], arms.GRID)
    total = tuple(int(count) for count in events.sum(axis=0)) if len(steps) else (0, 0)
    return Evidence(
        harm=log_restarted(steps, factors, plan, step),
        safe=float(ruled_out[np.searchsorted(nulls, spec.margin)]),
        events=(total[0], total[1]),
        requests=_pair(rows),
        ratio=arms.ratio_estimate(total[1], total[0], likelihood.sum(axis=0)),
        at_least=_at_least(steps, likelihood, plan, step),
        at_most=_at_most(nulls, ruled_out, -math.log(plan.alpha_promote)),
    )


def of_latency(tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan, step: int) -> Evidence:
    """The mean of the evidence of harm over the cuts; for promotion the cut that is furthest from it."""
    rates = [1 - quantile for quantile in LATENCY_QUANTILES] if len(spec.cuts) == len(LATENCY_QUANTILES) else None
    cuts = [
        of_rate(tally, first + index, spec, plan, step, rates[index] if rates else None)
        for index in range(len(spec.cuts))
    ]
    worst = max(cuts, key=lambda cut: cut.harm)
    return Evidence(
        harm=arms.log_mean_exp(np.array([cut.harm for cut in cuts])),
        safe=min(cut.safe for cut in cuts),
        events=worst.events,
        requests=worst.requests,
        ratio=worst.ratio,
        at_least=worst.at_least,
        at_most=max(cut.at_most for cut in cuts),
    )


def of_distribution(tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan, step: int) -> Evidence:
    """The mean over bins and over both directions; the bin that moved most is shown."""
    steps, weights, counts = tally.arrays()
    logs = []
    for series in range(first, first + len(spec.cuts) + 1):
        canary, stable = counts[:, series, 1], counts[:, series, 0]
        logs += [
            log_restarted(steps, side(weights, canary, stable, spec.tolerated), plan, step)
            for side in (arms.log_harm, arms.log_drop)
        ]
    moved = first + int(np.argmax(logs)) // 2
    shown = of_rate(tally, moved, spec, plan, step)
    return Evidence(arms.log_mean_exp(np.array(logs)), 0.0, shown.events, shown.requests, shown.ratio, None, math.inf)


def of_pairs(bets: PairedBets, discordant: Tally, spec: MetricSpec, plan: AnalysisPlan, step: int) -> Evidence:
    """Evidence about the mean difference of losses of the same requests."""
    steps, weights, counts = discordant.arrays()
    if spec.binary:
        factors = arms.log_harm(weights, counts[:, 1, 1], counts[:, 1, 0], 1.0)
        harm = log_restarted(steps, factors, plan, step)
    else:
        harm = _with_unspent(bets.log_harm, plan, step)
    mean = bets.total / bets.count if bets.count else None
    better, worse = _pair(counts[:, 1])
    at_most = spec.margin if bets.log_safe >= -math.log(plan.alpha_promote) else math.inf
    at_least = spec.tolerated if harm >= -math.log(plan.alpha) else None
    return Evidence(harm, bets.log_safe, (better, worse), (bets.count, bets.count), mean, at_least, at_most)


def of_disagreement(tally: Tally, spec: MetricSpec, plan: AnalysisPlan, step: int) -> Evidence:
    """Evidence about the rate at which the candidate answers mirrored requests differently."""
    steps, _, counts = tally.arrays()
    events, rows = counts[:, 1, 1], counts[:, 0, 1]
    odds = arms.FASTER * spec.tolerated / (1 - spec.tolerated)
    harm = log_restarted(steps, _log_bernoulli(events, rows, odds / (1 + odds), spec.tolerated), plan, step)
    lower = spec.tolerated * np.r_[1.0, SMALLER]
    safe = arms.log_mean_exp(_log_bernoulli(events, rows, lower, spec.margin).sum(axis=0))
    seen, pairs = int(events.sum()), int(rows.sum())
    at_most = spec.margin if safe >= -math.log(plan.alpha_promote) else math.inf
    at_least = spec.tolerated if harm >= -math.log(plan.alpha) else None
    return Evidence(harm, safe, (0, seen), (pairs, pairs), seen / pairs if pairs else None, at_least, at_most)


def of_routing(tally: Tally, plan: AnalysisPlan, step: int) -> float:
    """Log e-value against "every request went to the canary with the weight in force"."""
    steps, weights, counts = tally.arrays()
    canary, stable = counts[:, 0, 1], counts[:, 0, 0]
    sides = [
        log_restarted(steps, side(weights, canary, stable, 1.0), plan, step) for side in (arms.log_harm, arms.log_drop)
    ]
    return arms.log_mean_exp(np.array(sides))


def log_restarted(steps: Counts, factors: Numbers, plan: AnalysisPlan, step: int) -> float:
    """Log of the mixture over starts and bets: each start bets on what came at its step and after.

    Args:
        steps: Step of each cell.
        factors: Log factors, cells x bets.
        plan: Has the shares of the starts.
        step: The current one; starts of later steps keep their share.
    """
    per_step = np.zeros((step + 1, factors.shape[1]))
    np.add.at(per_step, steps, factors)
    since = per_step[::-1].cumsum(axis=0)[::-1]
    shares = np.array([plan.start_weight(start) for start in range(step + 1)])
    started = shares > 0
    logs = np.log(shares[started, None] / factors.shape[1]) + since[started]
    terms = logs.ravel() if shares.sum() >= 1 - 1e-12 else np.r_[logs.ravel(), math.log(1 - shares.sum())]
    return float(np.logaddexp.reduce(terms))


def log_ruled_out(weights: Numbers, events: Counts, rows: Counts, nulls: Numbers, floor: float) -> Numbers:
    """Log e-value against "the ratio is at least this null", one a null.

    The bet is on equal rates. With a floor, half of the stake bets that the canary's own rate is below null x floor:
    under the null it is not, since a stable rate below the floor counts as the floor.
    """
    likelihood = arms.log_likelihood(weights, events[:, 1], events[:, 0], np.r_[1.0, nulls]).sum(axis=0)
    by_arm: Numbers = likelihood[0] - likelihood[1:]
    if floor == 0:
        return by_arm
    seen, count = events[:, 1].sum(), rows[:, 1].sum()
    highest = np.minimum(nulls * floor, 0.5)
    rates = highest[:, None] * SMALLER
    own = seen * np.log(SMALLER) + (count - seen) * (np.log1p(-rates) - np.log1p(-highest)[:, None])
    mixed: Numbers = np.logaddexp(by_arm, np.logaddexp.reduce(own, axis=1) - math.log(len(SMALLER))) - math.log(2)
    return mixed


def _log_bernoulli(events: Counts, rows: Counts, rates: Numbers, null: float) -> Numbers:
    without = (rows - events)[:, None]
    factors: Numbers = events[:, None] * np.log(rates / null) + without * np.log((1 - rates) / (1 - null))
    return factors


def _with_unspent(log_started: float, plan: AnalysisPlan, step: int) -> float:
    unspent = 1 - sum(plan.start_weight(start) for start in range(step + 1))
    return float(np.logaddexp(log_started, math.log(unspent))) if unspent > 1e-12 else log_started


def _at_least(steps: Counts, likelihood: Numbers, plan: AnalysisPlan, step: int) -> float:
    """The better of the bounds of the whole and of the current step, each at its share of alpha."""
    since = {0: np.ones(len(steps), dtype=bool), step: steps == step}
    lines = {start: -math.log(plan.alpha * plan.start_weight(start)) for start in since if plan.start_weight(start)}
    return max(arms.ratio_at_least(likelihood[since[start]].sum(axis=0), line) for start, line in lines.items())


def _at_most(nulls: Numbers, ruled_out: Numbers, line: float) -> float:
    """The smallest null that is ruled out with all above it."""
    kept = np.flatnonzero(ruled_out < line)
    lowest = int(kept[-1]) + 1 if len(kept) else 0
    return float(nulls[lowest]) if lowest < len(nulls) else math.inf


def _pair(counts: Counts) -> tuple[int, int]:
    stable, canary = counts.sum(axis=0) if len(counts) else (0, 0)
    return int(stable), int(canary)
