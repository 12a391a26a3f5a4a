"""What the evidence says now, in numbers that a person can follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from falaj.rollout.analysis.evidence import Evidence, ratio_bounds
from falaj.rollout.analysis.look import Look, names_of, weights_of
from falaj.rollout.analysis.plan import MetricKind, MetricSpec

if TYPE_CHECKING:
    from falaj.rollout.analysis.analysis import Analysis

SHIFTED = "predictions shifted"
UNLIKE = "labels do not arrive alike: one arm gets them earlier, or for other cases, so losses are not judged"
MISROUTED = "traffic is not split as the weights say"


@dataclass(frozen=True)
class MetricVerdict:
    """One metric of a verdict.

    Attributes:
        name: Of the metric.
        kind: Of the metric.
        compares: What `ratio`, `at_least` and `at_most` are: `ratio`, `difference` (of mean losses) or `rate`.
        harm: Log10 of the evidence that it is worse than tolerated.
        harm_line: Log10 of the evidence at which this metric alone rolls back.
        safe: Log10 of the evidence that it is not worse by the margin; the largest so far.
        safe_line: What `safe` must reach for promotion.
        events: Events of (stable, canary); pairs: (candidate better, candidate worse) or (0, disagreements).
        requests: Requests of (stable, canary); pairs: the pairs, twice.
        ratio: The estimate of what is compared; None when nothing happened.
        at_least: Lower bound of it that holds at all times with probability 1 - alpha; None when there is none.
        at_most: Upper bound of it at 1 - alpha_promote, the least so far; infinite while nothing is ruled out.
        limit: What errors of numbers were cut off at, and divided by.
    """

    name: str
    kind: str
    compares: str
    harm: float
    harm_line: float
    safe: float
    safe_line: float
    events: tuple[int, int]
    requests: tuple[int, int]
    ratio: float | None
    at_least: float | None
    at_most: float
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of the candidate.

    Attributes:
        roll_back: The combined evidence of harm has reached 1/alpha, now or at an earlier look.
        promote: Every metric has ruled its margin out, and nothing asks to roll back or to pause.
        pause: Why a person should look before anything moves; None if nothing.
        leave_step: The ratio that every metric has ruled out so far, of losses times the margin; infinite while one of
            them has ruled out none.
        culprits: Metrics that are named at the same error bound when rolled back; may be none.
        foremost: The metric with the largest share of the evidence of harm.
        harm: Log10 of the combined evidence of harm.
        harm_line: Log10 of 1/alpha.
        routing: Log10 of the evidence that traffic was not split as the weights say.
        exposed: Requests that the canary has answered, burn-in included.
        metrics: By metric, in the plan's order.
        at_s: When the newest request was seen, unix seconds.
    """

    roll_back: bool
    promote: bool
    pause: str | None
    leave_step: float
    culprits: tuple[str, ...]
    foremost: str | None
    harm: float
    harm_line: float
    routing: float
    exposed: int
    metrics: tuple[MetricVerdict, ...]
    at_s: float


def verdict_of(analysis: Analysis) -> Verdict:
    """What follows from the evidence now and from what it reached at earlier looks."""
    look, plan, peaks = analysis.evidence(), analysis.plan, analysis.peaks
    judged = names_of(plan, shift=False)
    roll_back, pause = peaks.harm >= -math.log(plan.alpha), _pause(analysis)
    safe = bool(judged) and all(peaks.safe.get(name, 0.0) >= -math.log(plan.alpha_promote) for name in judged)
    return Verdict(
        roll_back=roll_back,
        promote=safe and not roll_back and pause is None,
        pause=pause,
        leave_step=_ruled_out(analysis),
        culprits=peaks.culprits,
        foremost=look.foremost(),
        harm=look.harm() / _LN10,
        harm_line=plan.line,
        routing=look.routing / _LN10,
        exposed=analysis.exposed,
        metrics=tuple(_of_metric(analysis, look, spec) for spec in plan.metrics),
        at_s=analysis.updated_s,
    )


def _ruled_out(analysis: Analysis) -> float:
    """No step is left without evidence of each metric that the candidate is judged by."""
    at_most = analysis.peaks.at_most
    judged = (spec for spec in analysis.plan.metrics if spec.kind is not MetricKind.DISTRIBUTION)
    return max(
        (at_most.get(spec.name, math.inf) / (1.0 if spec.is_ratio else spec.margin) for spec in judged), default=1.0
    )


def _pause(analysis: Analysis) -> str | None:
    plan, peaks = analysis.plan, analysis.peaks
    if peaks.routing >= -math.log(plan.alpha_routing):
        return MISROUTED
    if not analysis.labels_arrive_alike:
        return UNLIKE
    return SHIFTED if peaks.shift >= -math.log(plan.alpha_pause) else None


def _of_metric(analysis: Analysis, look: Look, spec: MetricSpec) -> MetricVerdict:
    plan, peaks, now = analysis.plan, analysis.peaks, look.metrics[spec.name]
    shift = spec.kind is MetricKind.DISTRIBUTION
    weights = weights_of(plan)
    share = spec.weight / sum(weights[name] for name in names_of(plan, shift=shift))
    tally = analysis.labels.get(spec.name, analysis.requests)
    counts = tally.total()
    events, requests = counts[now.shown], counts[0]
    ratio, at_least = _estimate(analysis, spec, now)
    return MetricVerdict(
        name=spec.name,
        kind=spec.kind.value,
        compares=spec.compares,
        harm=now.harm / _LN10,
        harm_line=-math.log10(share * (plan.alpha_pause if shift else plan.alpha)),
        safe=peaks.safe.get(spec.name, 0.0) / _LN10,
        safe_line=plan.promotion_line,
        events=(int(events[0]), int(events[1])),
        requests=(int(requests[0]), int(requests[1])),
        ratio=ratio,
        at_least=at_least,
        at_most=peaks.at_most.get(spec.name, math.inf),
        limit=spec.limit,
    )


def _estimate(analysis: Analysis, spec: MetricSpec, now: Evidence) -> tuple[float | None, float | None]:
    """The estimate of what the metric compares, and its lower bound."""
    plan, tally = analysis.plan, analysis.labels.get(spec.name, analysis.requests)
    if spec.is_ratio:
        ratio, lowest = ratio_bounds(tally, now.shown, plan, analysis.step)
        return ratio, None if spec.kind is MetricKind.DISTRIBUTION else lowest
    at_least = spec.tolerated if now.harm >= -math.log(plan.alpha) else None
    if spec.kind is MetricKind.DISAGREEMENT:
        _, pairs = tally.total()[0]
        return (float(tally.total()[1, 1] / pairs) if pairs else None), at_least
    past = analysis.bets[spec.name].past
    return (past.total / past.blocks if past.blocks else None), at_least


_LN10 = math.log(10)
