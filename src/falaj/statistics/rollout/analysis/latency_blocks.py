"""Is the candidate slower than its baseline? By blocks, above cuts that the baseline's own past has fixed.

A cut is a quantile c of the baseline. Of one block, the share of the candidate's requests above
max(c x tolerated, c + at least) is compared with the share of the baseline's above c: who is not slower than
tolerated has no larger one on average, whatever the latencies are like. Their difference, in [-1, 1], is bet on. Far
in the tail shares are small, so both are capped there, at the same height, and the difference is counted in caps: for
arms that are alike that is as fair, and a tail ten times as long shows within a minute.

Processes differ, too, and no number of blocks cures that: the replicas of one release run the same test against each
other all the time. What that has shown is taken off the evidence against the candidate; and where it has shown much,
the machine is too noisy to compare latencies.

Nothing is judged before the candidate has settled: caches are cold and libraries load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from falaj.statistics.rollout.analysis import arms, rates
from falaj.statistics.rollout.analysis.batch import Numbers
from falaj.statistics.rollout.analysis.block import Block
from falaj.statistics.rollout.analysis.bounded import BoundedBets
from falaj.statistics.rollout.analysis.evidence import MetricEvidence, at_most_of
from falaj.statistics.rollout.analysis.histogram import NOTHING, Histogram
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricSpec

QUANTILES = (0.5, 0.9, 0.99)
"""Of the baseline: where latencies are cut."""
CAPS = np.array([1.0, 0.5, 0.05])
"""A share above a cut counts up to this."""
MIN_BASELINE = 50
"""So many latencies of the baseline must be known to take cuts from them."""
_SETTLED_BLOCKS = 5
_SETTLED = 0.1
"""The candidate has settled when its share above the baseline's median exceeds the baseline's by no more."""
_DEVIATIONS: Numbers = np.sqrt(np.array(QUANTILES) * (1 - np.array(QUANTILES)))
_ONE_REPLICA: Numbers = 0.1 * _DEVIATIONS
"""Tolerated where an arm has one replica, so that nothing tells how much processes differ (0.05 at the median)."""
_LEAST_SPREAD = 0.04 * _DEVIATIONS


@dataclass(frozen=True)
class Spread:
    """Differences of one replica from the others of its arm, by block, at each cut.

    Attributes:
        count: Blocks.
        total: Sum of the differences.
        squares: Sum of their squares.
    """

    count: int = 0
    total: tuple[float, ...] = (0.0,) * len(QUANTILES)
    squares: tuple[float, ...] = (0.0,) * len(QUANTILES)

    def add(self, difference: Numbers) -> Spread:
        """With one more block."""
        total, squares = np.array(self.total) + difference, np.array(self.squares) + difference**2
        return Spread(self.count + 1, tuple(total.tolist()), tuple(squares.tolist()))

    def lasting(self) -> Numbers:
        """How large the difference is beyond what chance makes of so many blocks, at each cut."""
        if self.count < _SETTLED_BLOCKS:
            return np.zeros(len(QUANTILES))
        mean = np.array(self.total) / self.count
        variance = np.maximum(np.array(self.squares) / self.count - mean**2, 0) / self.count
        return np.sqrt(np.maximum(mean**2 - variance, 0))


@dataclass(frozen=True, eq=False)
class LatencyBlocks:
    """What blocks have said of latency.

    Attributes:
        began_s: When the first block of this pair of arms began, unix seconds.
        settled_s: When burn-in ended; None while it lasts.
        cuts: Quantiles of the baseline, ms; none before burn-in has ended.
        baseline: The baseline's latencies of this step.
        candidate: The candidate's of this step.
        window: Differences at the median of the last blocks of burn-in.
        spreads: By replica.
        tolerated: Differences of shares that processes of one release are allowed, at each cut.
        harm: Bets at each cut.
        safe: Bets at each cut and ratio of `ratios_of`.
        selves: Bets of each replica against the others of its arm, at each cut.
        noise: The largest log evidence that replicas of one release differ.
        blocks: How many blocks the evidence is from.
    """

    harm: BoundedBets
    safe: BoundedBets
    began_s: float | None = None
    settled_s: float | None = None
    cuts: tuple[float, ...] = ()
    baseline: Histogram = NOTHING
    candidate: Histogram = NOTHING
    window: tuple[float, ...] = ()
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    tolerated: tuple[float, ...] = tuple(_ONE_REPLICA.tolist())
    selves: Mapping[str, BoundedBets] = field(default_factory=dict)
    noise: float = 0.0
    blocks: int = 0

    @staticmethod
    def of(plan: AnalysisPlan, spec: MetricSpec) -> LatencyBlocks:
        """The state before the first block."""
        cuts = len(QUANTILES)
        return LatencyBlocks(BoundedBets.of(cuts, plan.start_weight(0)), BoundedBets.of(cuts * len(ratios_of(spec))))

    def start(self, share: float, *, another_pair: bool) -> LatencyBlocks:
        """Another step: evidence starts anew, with cuts of the step before; another pair of arms has to settle."""
        begun = replace(self, harm=self.harm.start(share))
        if another_pair:
            return replace(
                begun, began_s=None, settled_s=None, cuts=(), baseline=NOTHING, candidate=NOTHING, window=(),
                spreads={}, selves={},
            )  # fmt: skip
        if not self.cuts or self.baseline.count < MIN_BASELINE:
            return begun
        return replace(begun, cuts=self.baseline.quantiles(QUANTILES), baseline=NOTHING, candidate=NOTHING)

    def observe(self, block: Block, at_s: float, spec: MetricSpec, plan: AnalysisPlan) -> LatencyBlocks:
        """Take one closed block in.

        Args:
            block: With requests of both arms, else it says nothing.
            at_s: When the block ended, unix seconds.
            spec: The metric.
            plan: Has the bounds of burn-in.
        """
        arm_latencies = [block.latencies(candidate=arm) for arm in (False, True)]
        if not block.whole or not all(len(each) for each in arm_latencies):
            return self
        next_blocks = replace(
            self,
            began_s=at_s if self.began_s is None else self.began_s,
            baseline=self.baseline.add(arm_latencies[0]),
            candidate=self.candidate.add(arm_latencies[1]),
        )
        if self.settled_s is None:
            return next_blocks._burning_in(block, at_s, spec, plan)
        return next_blocks._judging(block, spec)

    def evidence(self, spec: MetricSpec, plan: AnalysisPlan, step: int) -> MetricEvidence:
        """What all blocks say together."""
        unspent_share = plan.unspent(step)
        harm = float(arms.log_mean_exp(self.harm.log_wealth))
        harm = float(np.logaddexp(harm, math.log(unspent_share))) if unspent_share > 0 else harm
        ratios = ratios_of(spec)
        safe = self.safe.log_wealth.reshape(len(QUANTILES), len(ratios)).min(axis=0)
        at_margin = float(safe[ratios.tolist().index(spec.margin)])
        return MetricEvidence(harm - self.noise, at_margin, at_most_of(ratios, safe, plan))

    @property
    def slowdown(self) -> float | None:
        """The candidate's median over the baseline's, in this step."""
        if not (self.baseline.count and self.candidate.count):
            return None
        return self.candidate.quantiles((0.5,))[0] / self.baseline.quantiles((0.5,))[0]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "harm": self.harm.to_json(), "safe": self.safe.to_json(), "began_s": self.began_s,
            "settled_s": self.settled_s, "cuts": list(self.cuts), "baseline": self.baseline.to_json(),
            "candidate": self.candidate.to_json(), "window": list(self.window),
            "spreads": {name: [each.count, each.total, each.squares] for name, each in self.spreads.items()},
            "tolerated": list(self.tolerated), "selves": {name: bets.to_json() for name, bets in self.selves.items()},
            "noise": self.noise, "blocks": self.blocks,
        }  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> LatencyBlocks:
        """What `to_json` made."""
        spreads = {n: Spread(count, tuple(a), tuple(b)) for n, (count, a, b) in document["spreads"].items()}
        tuples = {name: tuple(document[name]) for name in ("cuts", "window", "tolerated")}
        histograms = {name: Histogram.from_json(document[name]) for name in ("baseline", "candidate")}
        bets = {name: BoundedBets.from_json(document[name]) for name in ("harm", "safe")}
        selves = {name: BoundedBets.from_json(each) for name, each in document["selves"].items()}
        return LatencyBlocks(**{**document, **tuples, **histograms, **bets, "spreads": spreads, "selves": selves})

    def _burning_in(self, block: Block, at_s: float, spec: MetricSpec, plan: AnalysisPlan) -> LatencyBlocks:
        """Wait until the candidate has settled; meanwhile learn how much the replicas of one release differ."""
        assert self.began_s is not None
        cuts = self.baseline.quantiles(QUANTILES)
        stable, candidate = block.latencies(candidate=False), block.latencies(candidate=True)
        median = _differences(stable, candidate, cuts, spec)[0]
        spreads = dict(self.spreads)
        for name, mine, others in _replicas(block):
            difference = _shares(mine, np.array(cuts)) - _shares(others, np.array(cuts))
            spreads[name] = spreads.get(name, Spread()).add(difference)
        window = (*self.window, float(median))[-_SETTLED_BLOCKS:]
        waiting = replace(self, window=window, spreads=spreads)
        lasted = at_s - self.began_s
        alike = len(window) == _SETTLED_BLOCKS and sum(window) / len(window) <= _SETTLED
        if lasted < plan.burn_in_s or self.baseline.count < MIN_BASELINE or not (alike or lasted >= plan.burn_in_max_s):
            return waiting
        return replace(waiting, settled_s=at_s, cuts=cuts, window=(), tolerated=tuple(_tolerated(spreads).tolist()))

    def _judging(self, block: Block, spec: MetricSpec) -> LatencyBlocks:
        stable, candidate = (block.latencies(candidate=arm) for arm in (False, True))
        tolerated = np.array(self.tolerated)
        cuts, ratios = np.array(self.cuts), ratios_of(spec)
        excess = (_differences(stable, candidate, self.cuts, spec) - tolerated) / CAPS
        above = np.minimum(_shares(stable, cuts), CAPS)
        slower = np.array([np.minimum(_shares(candidate, _slowed(cuts, ratio, spec)), CAPS) for ratio in ratios]).T
        spared = (above[:, None] - slower) / CAPS[:, None]
        selves = dict(self.selves)
        for name, mine, others in _replicas(block):
            apart = (_differences(others, mine, self.cuts, spec) - tolerated) / CAPS
            selves[name] = selves.get(name, BoundedBets.of(len(CAPS))).play(apart, 1 + tolerated / CAPS)
        return replace(
            self,
            harm=self.harm.play(excess, 1 + tolerated / CAPS),
            safe=self.safe.play(spared.ravel()),
            selves=selves,
            noise=max(self.noise, _log_noise(selves)),
            blocks=self.blocks + 1,
        )


def ratios_of(spec: MetricSpec) -> Numbers:
    """How many times slower is tried to be ruled out, ascending: the margin, and the gates of ramps."""
    return np.unique(np.array([spec.margin, *rates.GATES]))


def _slowed(cuts: Numbers, ratio: float, spec: MetricSpec) -> Numbers:
    """The cuts for one that may be so many times slower; no less than the least difference that counts."""
    least = spec.at_least_ms * max(1.0, (ratio - 1) / (spec.tolerated - 1) if spec.tolerated > 1 else 1.0)
    slowed: Numbers = np.maximum(cuts * ratio, cuts + least)
    return slowed


def _shares(latency_ms: Numbers, cuts: Numbers) -> Numbers:
    """The share of latencies above each cut."""
    shares: Numbers = np.mean(latency_ms[:, None] > cuts, axis=0)
    return shares


def _differences(stable: Numbers, candidate: Numbers, cuts: tuple[float, ...], spec: MetricSpec) -> Numbers:
    """How much larger the candidate's share above what is tolerated is than the baseline's above the cut, capped."""
    at = np.array(cuts)
    slower = np.minimum(_shares(candidate, _slowed(at, spec.tolerated, spec)), CAPS)
    difference: Numbers = slower - np.minimum(_shares(stable, at), CAPS)
    return difference


def _replicas(block: Block) -> list[tuple[str, Numbers, Numbers]]:
    """Each replica of either arm with its latencies and those of the others of its arm."""
    replicas = []
    for arm in (False, True):
        latencies = block.by_replica(candidate=arm)
        for name, mine in latencies.items():
            others = [each for other, each in latencies.items() if other != name]
            if others:
                replicas.append((name, mine, np.concatenate(others)))
    return replicas


def _tolerated(spreads: Mapping[str, Spread]) -> Numbers:
    """Twice the spread between replicas of one release, at each cut."""
    if not spreads:
        return _ONE_REPLICA
    lasting = np.array([spread.lasting() for spread in spreads.values()])
    twice: Numbers = 2 * np.sqrt((lasting**2).mean(axis=0))
    tolerated: Numbers = np.minimum(np.maximum(twice, _LEAST_SPREAD), CAPS / 2)
    return tolerated


def _log_noise(selves: Mapping[str, BoundedBets]) -> float:
    """Log evidence that replicas of one release differ by more than is tolerated."""
    if not selves:
        return 0.0
    return float(arms.log_mean_exp(np.concatenate([bets.log_wealth for bets in selves.values()])))
