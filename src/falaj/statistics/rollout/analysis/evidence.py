"""From counts to evidence: what each kind of metric says; logs here are natural."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from falaj.statistics.rollout.analysis import arms, latency, rates
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.betting import MULTIPLES, Bets
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.tally import Counts, Tally


@dataclass(frozen=True)
class MetricEvidence:
    """What one metric says.

    Attributes:
        harm: Log e-value against "not worse than tolerated".
        safe: Log e-value against "worse by the margin or more".
        at_most: The smallest ratio (difference, rate) that is ruled out with all above it.
        shown: The series that says most, for reports.
    """

    harm: float
    safe: float
    at_most: float
    shown: int = 1


def at_most_of(ratios: Numbers, safe: Numbers, plan: AnalysisPlan) -> float:
    """The smallest ratio that is ruled out together with all above it; infinite while none is.

    Args:
        ratios: Ascending.
        safe: Log e-value against each.
        plan: Has the error bound.
    """
    open_ = np.flatnonzero(safe < -math.log(plan.alpha_promote))
    lowest = int(open_[-1]) + 1 if len(open_) else 0
    return float(ratios[lowest]) if lowest < len(ratios) else math.inf


def of_errors(harm: Numbers, tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan) -> MetricEvidence:
    """Of one series of events, whose log e-value of harm is given."""
    return MetricEvidence(float(harm[0]), *of_rates(tally, slice(first, first + 1), spec, plan), first)


def of_latency(
    tails: Numbers, tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan, step: int
) -> MetricEvidence:
    """Of all cuts together; for promotion, of the cut that is furthest from it.

    Args:
        tails: Log e-value of each cut in the tail.
        tally: The counts.
        first: Series of the lowest cut.
        spec: The metric.
        plan: Its plan.
        step: The current one.
    """
    harm = latency.log_harm(tails, tally, first, spec, plan, step)
    tail = rates.tail_of(spec)
    in_tail = len(tail) > 0 and float(tails.max()) > harm
    shown = tail[int(np.argmax(tails))] if in_tail else (len(spec.cuts) - 1) // 2
    return MetricEvidence(harm, *of_rates(tally, slice(first, first + len(spec.cuts)), spec, plan), first + shown)


def of_distribution(harm: Numbers, first: int) -> MetricEvidence:
    """The mean over bins and over both directions; nothing is promoted by it."""
    return MetricEvidence(float(arms.log_mean_exp(harm)), 0.0, math.inf, first + int(np.argmax(harm)) // 2)


def of_rates(tally: Tally, series: slice, spec: MetricSpec, plan: AnalysisPlan) -> tuple[float, float]:
    """Log evidence against the margin, and the bound of the ratio: of some series, the worst."""
    _, weights, counts = tally.arrays()
    nulls = rates.nulls_of(spec)
    ruled_out = rates.log_ruled_out(weights, counts[:, series], counts[:, 0], nulls, spec.floor).min(axis=0)
    return float(ruled_out[np.searchsorted(nulls, spec.margin)]), at_most_of(nulls, ruled_out, plan)


def of_bets(bets: Bets, spec: MetricSpec, plan: AnalysisPlan, step: int) -> MetricEvidence:
    """Of bets on mean differences."""
    safe, line = bets.log_safe(), -math.log(plan.alpha_promote)
    at_most = (spec.margin * times for times, log in zip(MULTIPLES, safe, strict=True) if log >= line)
    return MetricEvidence(bets.log_harm(plan.unspent(step)), safe[0], min(at_most, default=math.inf))


def of_disagreement(tally: Tally, spec: MetricSpec, plan: AnalysisPlan, step: int) -> MetricEvidence:
    """Of the rate at which the candidate answers mirrored requests differently."""
    steps, _, counts = tally.arrays()
    differ, pairs = counts[:, 1:, 1], counts[:, :1, 1]
    odds = arms.FASTER * spec.tolerated / (1 - spec.tolerated)
    harm = rates.log_restarted(steps, _log_bernoulli(differ, pairs, odds / (1 + odds), spec.tolerated), plan, step)
    fewer = spec.tolerated * np.concatenate(([1.0], rates.SMALLER))
    safe = float(arms.log_mean_exp(_log_bernoulli(differ, pairs, fewer, spec.margin).sum(axis=(0, 1))))
    return MetricEvidence(float(harm[0]), safe, _margin_if(safe, spec, plan))


def ratio_bounds(tally: Tally, series: int, plan: AnalysisPlan, step: int) -> tuple[float | None, float]:
    """The most likely ratio of a series, and its lower bound: of the whole or of the current step, the larger.

    Each of the two holds at its own start's share of alpha.
    """
    steps, weights, counts = tally.arrays()
    events = counts[:, series : series + 1]
    likelihood = arms.log_likelihood(weights, events[..., 1], events[..., 0], arms.GRID)[:, 0]
    total = events.sum(axis=(0, 1))
    bounds = [
        arms.ratio_at_least(likelihood[steps >= start].sum(axis=0), -math.log(plan.alpha * plan.start_weight(start)))
        for start in {0, step}
        if plan.start_weight(start) > 0
    ]
    return arms.ratio_estimate(int(total[1]), int(total[0]), likelihood.sum(axis=0)), max(bounds)


def _margin_if(safe: float, spec: MetricSpec, plan: AnalysisPlan) -> float:
    return spec.margin if safe >= -math.log(plan.alpha_promote) else math.inf


def _log_bernoulli(events: Counts, rows: Counts, alternatives: Numbers, null: float) -> Numbers:
    """Log likelihood ratios of rates against a null rate; cells x series x alternatives."""
    without = (rows - events)[..., None]
    factors: Numbers = events[..., None] * np.log(alternatives / null) + without * np.log(
        (1 - alternatives) / (1 - null)
    )
    return factors
