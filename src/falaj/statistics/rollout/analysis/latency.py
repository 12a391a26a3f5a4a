"""Bets on a slower candidate: the classes of latency between the cuts, all at once.

A fault that slows every request moves mass from each class to those above. A bet on that gives every class its own
ratio of canary to stable, growing with the class. Such a bet is fair for every candidate that is not slower at any
cut: its mean falls when mass moves down. With a tolerated ratio, requests below the lowest cut are not bet on, and the
others are held against that ratio; the mean then is at most 1 whenever no cut's ratio is above the tolerated one.

The alternatives are shifts of a normal scale, such as the logarithm of latency often is. A wrong shape costs power,
not validity.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from falaj.statistics.rollout.analysis import arms, rates
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricSpec
from falaj.statistics.rollout.analysis.tally import Tally

SHIFTS = (0.15, 0.3, 0.5, 0.8, 1.2, 1.8, 2.6)
"""How much slower, in standard deviations of the scale."""
_LOG_SHARES = np.log([0.14, 0.18, 0.20, 0.18, 0.14, 0.10, 0.06])


def log_harm(tails: Numbers, tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan, step: int) -> float:
    """Log e-value against "not slower at any cut": half of the stake on shifts, half on the cuts in the tail.

    Args:
        tails: Log e-value of each cut in the tail; may be none.
        tally: The counts.
        first: Series of the lowest cut.
        spec: The metric.
        plan: Its plan.
        step: The current one.
    """
    shift = log_shift(tally, first, spec, plan, step)
    return shift if len(tails) == 0 else float(np.logaddexp(shift, arms.log_mean_exp(tails)) - math.log(2))


def log_shift(tally: Tally, first: int, spec: MetricSpec, plan: AnalysisPlan, step: int) -> float:
    """Log e-value of the bets on shifts alone."""
    steps, weights, counts = tally.arrays()
    above = counts[:, first : first + len(spec.cuts)]
    classes = np.concatenate((counts[:, :1], above), axis=1)
    classes[:, :-1] -= above
    ratios, nulls = _ratios(spec)
    stable, candidate = classes[..., 0], classes[..., 1]
    factors = arms.log_likelihood(weights, candidate, stable, ratios) - arms.log_likelihood(
        weights, candidate, stable, nulls
    )
    return float(rates.log_restarted(steps, factors.sum(axis=1, keepdims=True), plan, step, _LOG_SHARES)[0])


@lru_cache(maxsize=64)
def _ratios(spec: MetricSpec) -> tuple[Numbers, Numbers]:
    """Ratios of each class under each shift, and those that are tolerated; classes x shifts and classes x 1."""
    normal, quantiles = NormalDist(), spec.quantiles
    stable = -np.diff([1.0, *(1 - quantile for quantile in quantiles), 0.0])
    shifted = [[1.0, *(1 - normal.cdf(normal.inv_cdf(q) - shift) for q in quantiles), 0.0] for shift in SHIFTS]
    ratios = (-np.diff(shifted, axis=1) / stable).T
    nulls = np.ones((len(stable), 1))
    if spec.tolerated > 1:
        nulls[1:] = spec.tolerated
        ratios = np.maximum(ratios, 1) * nulls
        ratios[0] = 1
    return ratios, nulls
