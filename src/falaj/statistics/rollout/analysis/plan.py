"""What is judged, how strictly, and what was fixed before the first request: cuts, bins, tolerances, weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from falaj.core.json_record import JsonRecord
from falaj.statistics.rollout.analysis.batch import Numbers

LATENCY_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Of past stable traffic: where latency is best cut; three of them (0.5, 0.9, 0.99) do with less."""
TAIL = 0.9
"""Cuts at this quantile and above are also bet on alone."""
LOSS_MARGIN = 0.02
"""Of a loss: difference of means that is ruled out before a promotion."""
FIRST_START = 0.6  # share of the belief that a fault is there from the first step on


class MetricKind(StrEnum):
    """What of a request or of a label is compared between the arms."""

    ERRORS = "errors"
    LATENCY = "latency"
    ERROR_BLOCKS = "error_blocks"
    LATENCY_BLOCKS = "latency_blocks"
    DISTRIBUTION = "distribution"
    QUALITY = "quality"
    QUALITY_PAIRED = "quality_paired"
    DISAGREEMENT = "disagreement"


@dataclass(frozen=True)
class MetricSpec:
    """One metric and what is tolerated of it; make one by `errors`, `latency`, `quality`, ...

    Tolerances are ratios canary/stable of rates, but for mean losses (`quality`, `quality_paired`) differences
    candidate - stable, and for `disagreement` rates.

    Attributes:
        name: Unique within the plan; used in verdicts.
        kind: What is compared.
        tolerated: What is still no harm; ratios at least 1. Predictions: shifts within [1/tolerated, tolerated].
        margin: What must be ruled out before promotion; larger than `tolerated`.
        weight: Share of the false-alarm budget, relative to the other metrics.
        floor: Rates: a stable rate below this counts as this in tests for promotion, so that two arms without any
            error can be told to be equally good; 0 turns it off.
        quantiles: Latency: which quantile of past stable traffic each cut is.
        cuts: Latency: one cut a quantile, ms. Predictions: inner edges of the score bins, ascending; a class number
            as score with cuts at 0.5, 1.5, ... gives a bin to each class.
        expected_rate: Rate of the event in past stable traffic; above 0.2 the requests without the event are bet on
            too. A wrong value costs power, not validity.
        limit: Losses of numbers: errors above this count like this, and are divided by it.
        quantile: Of `pinball`: which quantile is predicted.
        at_least_ms: Latency by blocks: a difference below this, in milliseconds, is no harm, however fast both are.
    """

    name: str
    kind: MetricKind
    tolerated: float
    margin: float
    weight: float = 1.0
    floor: float = 0.0
    cuts: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    expected_rate: float | None = None
    limit: float | None = None
    quantile: float = 0.5
    at_least_ms: float = 0.0

    def __post_init__(self) -> None:
        lowest, highest = _TOLERANCES["ratio" if self.is_ratio else self.kind.value]
        if not (lowest <= self.tolerated < self.margin < highest):
            raise ValueError(f"metric {self.name}: tolerated {self.tolerated} and margin {self.margin} do not fit")
        if self.weight <= 0 or not 0 <= self.floor < 0.5:
            raise ValueError(f"metric {self.name}: the weight must be positive and the floor in [0, 0.5)")
        if self.kind in (MetricKind.LATENCY, MetricKind.DISTRIBUTION) and not self.cuts:
            raise ValueError(f"metric {self.name}: a {self.kind} metric needs cuts, fixed from past stable traffic")
        if any(list(values) != sorted(set(values)) for values in (self.cuts, self.quantiles)):
            raise ValueError(f"metric {self.name}: cuts and quantiles must ascend")
        if self.kind is MetricKind.LATENCY and len(self.quantiles) != len(self.cuts):
            raise ValueError(f"metric {self.name}: each cut needs the quantile that it is")
        if self.expected_rate is not None and not 0 < self.expected_rate < 1:
            raise ValueError(f"metric {self.name}: the expected rate must be in (0, 1)")

    @property
    def is_ratio(self) -> bool:
        """Whether tolerances are ratios of rates."""
        return self.kind in _RATIOS

    @property
    def compares(self) -> str:
        """What tolerances and estimates of this metric are: `ratio`, `difference` or `rate`."""
        if self.is_ratio:
            return "ratio"
        return "rate" if self.kind is MetricKind.DISAGREEMENT else "difference"

    @staticmethod
    def errors(name: str = "errors", *, tolerated: float = 1.0, margin: float = 1.5, floor: float = 0.001,
               weight: float = 1.0, expected_rate: float | None = None) -> MetricSpec:  # fmt: skip
        """Errors, timeouts, NaN outputs: anything that must not happen to a request."""
        return MetricSpec(name, MetricKind.ERRORS, tolerated, margin, weight, floor, expected_rate=expected_rate)

    @staticmethod
    def latency(cuts: tuple[float, ...], name: str = "latency", *, tolerated: float = 1.0, margin: float = 1.5,
                weight: float = 1.0, quantiles: tuple[float, ...] | None = None) -> MetricSpec:  # fmt: skip
        """Requests slower than quantiles of past stable traffic (`cuts`, ms).

        Without `quantiles`, three cuts are 0.5, 0.9 and 0.99, and others the upper ones of LATENCY_QUANTILES; which
        quantile a cut really is changes how much is seen, not how often a false alarm is raised.
        """
        usual = (0.5, 0.9, 0.99) if len(cuts) == 3 else LATENCY_QUANTILES[-len(cuts) :]
        chosen = usual if quantiles is None else tuple(quantiles)
        return MetricSpec(name, MetricKind.LATENCY, tolerated, margin, weight, cuts=tuple(cuts), quantiles=chosen)

    @staticmethod
    def error_blocks(name: str = "errors", *, tolerated: float = 1.0, margin: float = 1.5, floor: float = 0.01,
                     weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """Errors of two arms of equal size, compared by blocks of time."""
        return MetricSpec(name, MetricKind.ERROR_BLOCKS, tolerated, margin, weight, floor)

    @staticmethod
    def latency_blocks(name: str = "latency", *, tolerated: float = 1.1, margin: float = 1.5,
                       at_least_ms: float = 0.2, weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """Latency of two arms of equal size, compared by blocks of time; ratios are of times."""
        kind = MetricKind.LATENCY_BLOCKS
        return MetricSpec(name, kind, tolerated, margin, weight, at_least_ms=at_least_ms)

    @staticmethod
    def distribution(cuts: tuple[float, ...], name: str = "predictions", *, tolerated: float = 1.2,
                     weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """Scores or classes of predictions; pauses, never rolls back: a better model may well predict differently."""
        return MetricSpec(name, MetricKind.DISTRIBUTION, tolerated, 2 * tolerated, weight, cuts=tuple(cuts))

    @staticmethod
    def quality(name: str, *, tolerated: float | None = None, margin: float = LOSS_MARGIN,
                weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """Mean of losses in [0, 1] by delayed labels, each request answered by one arm; a difference of means.

        A quarter of the margin is tolerated: two trainings of one recipe are never equally good, and which is the
        better one is luck.
        """
        return MetricSpec(name, MetricKind.QUALITY, margin / 4 if tolerated is None else tolerated, margin, weight)

    @staticmethod
    def quality_paired(name: str, *, tolerated: float | None = None, margin: float = LOSS_MARGIN,
                       weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """The same, where both models scored each request."""
        return replace(
            MetricSpec.quality(name, tolerated=tolerated, margin=margin, weight=weight), kind=MetricKind.QUALITY_PAIRED
        )

    @staticmethod
    def disagreement(tolerated: float, name: str = "disagreement", *, margin: float | None = None,
                     weight: float = 1.0) -> MetricSpec:  # fmt: skip
        """Share of mirrored requests that the candidate answers differently; the margin is twice as many."""
        twice = 2 * tolerated if tolerated < 0.5 else (1 + tolerated) / 2
        return MetricSpec(name, MetricKind.DISAGREEMENT, tolerated, twice if margin is None else margin, weight)


_RATIOS = frozenset({
    MetricKind.ERRORS, MetricKind.LATENCY, MetricKind.ERROR_BLOCKS, MetricKind.LATENCY_BLOCKS, MetricKind.DISTRIBUTION,
})  # fmt: skip
_TOLERANCES = {
    "ratio": (1.0, math.inf),
    "quality": (0.0, 1.0),
    "quality_paired": (0.0, 1.0),
    "disagreement": (1e-9, 1.0),
}


@dataclass(frozen=True)
class AnalysisPlan(JsonRecord):
    """Everything that must be fixed before the first request is judged.

    Attributes:
        metrics: What is judged.
        alpha: Bound of the probability that a candidate that is not worse is ever rolled back.
        alpha_promote: Bound of the probability that a candidate worse than a margin is promoted.
        alpha_pause: Bound of a false pause because of shifted predictions.
        alpha_routing: Bound of a false pause because of arm counts that do not fit the weights.
        starts: How many steps will be entered; each starts evidence anew for faults that come late.
        label_block_s: Labels of predictions of so many seconds are bet on at once; see `betting`.
        burn_in_s: So long after two arms have begun to be compared no latencies are judged, at least.
        burn_in_max_s: And no longer than this.
    """

    metrics: tuple[MetricSpec, ...]
    alpha: float = 0.01
    alpha_promote: float = 0.05
    alpha_pause: float = 0.01
    alpha_routing: float = 0.001
    starts: int = 1
    label_block_s: float = 86_400.0
    burn_in_s: float = 0.0
    burn_in_max_s: float = 300.0

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("two metrics have one name")
        levels = (self.alpha, self.alpha_promote, self.alpha_pause, self.alpha_routing)
        if not all(0 < level < 1 for level in levels) or self.starts < 1:
            raise ValueError("error bounds are in (0, 1) and there is at least one start")
        if not self.label_block_s > 0:
            raise ValueError("a block of labels has a length")

    def of_kind(self, *kinds: MetricKind) -> tuple[MetricSpec, ...]:
        """The metrics of some kinds, in the plan's order."""
        return tuple(metric for metric in self.metrics if metric.kind in kinds)

    def named(self, name: str) -> MetricSpec:
        """The metric of this name.

        Raises:
            KeyError: There is none.
        """
        return next((metric for metric in self.metrics if metric.name == name), None) or _missing(name)

    def start_weight(self, step: int) -> float:
        """Share of the evidence that starts at a step; all shares sum to 1."""
        if self.starts == 1 or step >= self.starts:
            return float(step == 0 and self.starts == 1)
        return FIRST_START if step == 0 else (1 - FIRST_START) / (self.starts - 1)

    def shares_until(self, step: int) -> Numbers:
        """The shares of the starts up to a step."""
        return np.array([self.start_weight(start) for start in range(step + 1)])

    def unspent(self, step: int) -> float:
        """The share of starts after a step: a stake that is kept, and counts as it is."""
        unspent_share = 1 - float(self.shares_until(step).sum())
        return unspent_share if unspent_share > 1e-12 else 0.0

    @property
    def line(self) -> float:
        """Log10 of the evidence that rolls back."""
        return -math.log10(self.alpha)

    @property
    def promotion_line(self) -> float:
        """Log10 of the evidence that a metric needs for promotion."""
        return -math.log10(self.alpha_promote)


def _missing(name: str) -> MetricSpec:
    raise KeyError(name)
