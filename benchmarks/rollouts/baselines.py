"""How others decide, by their documented rules, on counts per minute; each with a knob for a false-alarm rate.

Argo Rollouts: a measurement an interval; fails when failed measurements exceed `failureLimit`
    (argo-rollouts.readthedocs.io, "Analysis & Progressive Delivery").
Flagger: rolls back at the interval after `threshold` failed checks (docs.flagger.app, "Canary analysis").
    Both hold the canary's own error rate of the last minute against a fixed 2%.
Kayenta: Mann-Whitney on the minutes' rates of both arms with confidence 98%; fails when the interval of the shift lies
    above 0.25 times its estimate (NetflixACAJudge, MannWhitneyClassifier); asked again every 5 minutes from the 10th.
Peeked z: two proportions, one-sided 1%, after every minute. Fixed z: once, after the hour.
Group sequential: 6 looks with O'Brien and Fleming's boundary, one-sided 1%.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from streams import Counts

LIMIT = 0.02
ALPHA = 0.01
KAYENTA_LOOKS = np.arange(9, 60, 5)
GROUPS = np.arange(9, 60, 10)


@dataclass(frozen=True)
class Baseline:
    """A rule: a statistic a minute, and the value above which it rolls back.

    Attributes:
        name: In tables.
        statistic: Runs x minutes, -inf where the rule does not look.
        usual: The value in use.
        delay: Minutes from the decision to the rollback.
    """

    name: str
    statistic: Callable[[Counts], np.ndarray]
    usual: float
    delay: int = 0

    def stops(self, counts: Counts, knob: float) -> np.ndarray:
        """Minute of the rollback, -1 for never."""
        crossed = self.statistic(counts) > knob
        at = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + self.delay, -1)
        return np.where(at >= crossed.shape[1], -1, at)

    def calibrated(self, null: Counts) -> float:
        """The knob with which 1% of healthy runs are rolled back."""
        statistic = self.statistic(null)
        reach = statistic[:, : statistic.shape[1] - self.delay].max(axis=1)
        return float(np.quantile(reach, 1 - ALPHA, method="higher"))


def nth_largest_rate(count: int) -> Callable[[Counts], np.ndarray]:
    """The n-th largest minute's error rate of the canary so far: above t when n checks have failed at t."""

    def statistic(counts: Counts) -> np.ndarray:
        rate = counts.candidate_events / np.maximum(counts.candidate, 1)
        top_rates = np.full((len(rate), count), -np.inf)
        out = np.empty(rate.shape)
        for minute in range(rate.shape[1]):
            top_rates[:, 0] = np.maximum(top_rates[:, 0], rate[:, minute])
            top_rates.sort(axis=1)
            out[:, minute] = top_rates[:, 0]
        return out

    return statistic


def z_of_proportions(counts: Counts) -> np.ndarray:
    """Pooled two-proportion z of everything so far."""
    n1, n0 = counts.candidate.cumsum(axis=1), counts.stable.cumsum(axis=1)
    e1, e0 = counts.candidate_events.cumsum(axis=1), counts.stable_events.cumsum(axis=1)
    pooled = (e1 + e0) / (n1 + n0)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / np.maximum(n1, 1) + 1 / np.maximum(n0, 1)), 1e-12))
    return (e1 / np.maximum(n1, 1) - e0 / np.maximum(n0, 1)) / spread


def z_at_the_end(counts: Counts) -> np.ndarray:
    z = z_of_proportions(counts)
    z[:, :-1] = -np.inf
    return z


def z_in_groups(counts: Counts) -> np.ndarray:
    """z times the square root of the share of the looks: O'Brien and Fleming's boundary is constant in it."""
    z = z_of_proportions(counts)
    out = np.full(z.shape, -np.inf)
    out[:, GROUPS] = z[:, GROUPS] * np.sqrt(np.arange(1, len(GROUPS) + 1) / len(GROUPS))
    return out


def obrien_fleming(paths: int = 400_000) -> float:
    """The constant of the boundary, by simulated Brownian motion."""
    steps = np.random.default_rng(1).normal(size=(paths, len(GROUPS)))
    reach = steps.cumsum(axis=1).max(axis=1) / np.sqrt(len(GROUPS))
    return float(np.quantile(reach, 1 - ALPHA))


def mann_whitney_margin(counts: Counts) -> np.ndarray:
    """Lower confidence limit of the shift less a quarter of its estimate; above 0 is Kayenta's "High"."""
    candidate = counts.candidate_events / np.maximum(counts.candidate, 1)
    stable = counts.stable_events / np.maximum(counts.stable, 1)
    out = np.full(candidate.shape, -np.inf)
    quantile = NormalDist().inv_cdf(0.99)
    for minute in KAYENTA_LOOKS:
        n = minute + 1
        shifts = (candidate[:, :n, None] - stable[:, None, :n]).reshape(len(candidate), -1)
        lowest = max(int(n * n / 2 - quantile * np.sqrt(n * n * (2 * n + 1) / 12)), 0)
        middle = n * n // 2
        shifts.partition((lowest, middle), axis=1)
        out[:, minute] = shifts[:, lowest] - 0.25 * np.abs(shifts[:, middle])
    return out


def all_baselines() -> list[Baseline]:
    z = NormalDist().inv_cdf(1 - ALPHA)
    return [
        Baseline("Argo Rollouts, failureLimit 0", nth_largest_rate(1), LIMIT),
        Baseline("Argo Rollouts, failureLimit 3", nth_largest_rate(4), LIMIT),
        Baseline("Flagger, threshold 1", nth_largest_rate(1), LIMIT, delay=1),
        Baseline("Flagger, threshold 10", nth_largest_rate(10), LIMIT, delay=1),
        Baseline("Kayenta, Mann-Whitney", mann_whitney_margin, 0.0),
        Baseline("z-test after every minute", z_of_proportions, z),
        Baseline("z-test after the hour", z_at_the_end, z),
        Baseline("group-sequential, 6 looks", z_in_groups, obrien_fleming()),
    ]
