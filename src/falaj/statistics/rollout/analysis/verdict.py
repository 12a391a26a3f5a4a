"""What the evidence says now, in numbers that a person can follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from falaj.statistics.rollout.analysis.error_blocks import ErrorBlocks
from falaj.statistics.rollout.analysis.evidence import MetricEvidence, ratio_bounds
from falaj.statistics.rollout.analysis.latency_blocks import LatencyBlocks
from falaj.statistics.rollout.analysis.look import Look, names_of, weights_of
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricKind, MetricSpec

if TYPE_CHECKING:
    from falaj.statistics.rollout.analysis.analysis import Analysis

SHIFTED = "predictions shifted"
UNLIKE = "labels do not arrive alike: one arm gets them earlier, or for other cases, so losses are not judged"
MISROUTED = "traffic is not split as the weights say"
NOISY = "this machine is too noisy to compare latencies: replicas of one release differ from each other"


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
class RolloutVerdict:
    """What the evidence says of the candidate.

    Attributes:
        roll_back: The combined evidence of a regression has reached 1/alpha, now or at an earlier look.
        promote: Every metric has ruled its margin out, and nothing asks to roll back or to pause.
        pause: Why a person should look before anything moves; None if nothing.
        leave_step: The ratio that every metric has ruled out so far, of losses times the margin; infinite while one of
            them has ruled out none.
        culprits: Metrics that are named at the same error bound when rolled back; may be none.
        foremost: The metric with the largest share of the evidence of a regression.
        harm: Log10 of the combined evidence of a regression.
        harm_line: Log10 of 1/alpha.
        routing: Log10 of the evidence that traffic was not split as the weights say.
        exposed: Requests that the canary has answered, burn-in included.
        metrics: By metric, in the plan's order.
        notes: What limits this judgement, in words: burn-in, spread between processes.
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
    notes: tuple[str, ...] = ()


def verdict_of(analysis: Analysis) -> RolloutVerdict:
    """What follows from the evidence now and from what it reached at earlier looks."""
    look, plan, peaks = analysis.evidence(), analysis.plan, analysis.peaks
    metric_names = names_of(plan, shift=False)
    roll_back, pause = peaks.harm >= -math.log(plan.alpha), _pause(analysis, look)
    safe = bool(metric_names) and all(
        peaks.safe.get(name, 0.0) >= -math.log(plan.alpha_promote) for name in metric_names
    )
    return RolloutVerdict(
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
        notes=tuple(note for state in analysis.blocks.values() for note in _notes(state, plan)),
    )


def _ruled_out(analysis: Analysis) -> float:
    """No step is left without evidence of each metric that the candidate is judged by."""
    at_most = analysis.peaks.at_most
    compared_metrics = [spec for spec in analysis.plan.metrics if spec.kind is not MetricKind.DISTRIBUTION]
    if not compared_metrics:  # how predictions are distributed rules nothing out
        return math.inf if analysis.plan.metrics else 1.0
    return max(at_most.get(spec.name, math.inf) / (1.0 if spec.is_ratio else spec.margin) for spec in compared_metrics)


def _notes(state: ErrorBlocks | LatencyBlocks, plan: AnalysisPlan) -> list[str]:
    if isinstance(state, ErrorBlocks) or state.began_s is None:
        return []
    if state.settled_s is None:
        return [f"latency is not judged yet: burn-in lasts {plan.burn_in_s:.0f} to {plan.burn_in_max_s:.0f} s"]
    spread = f"processes of one release may differ by {100 * state.tolerated[0]:.0f}% of the requests"
    alone = "" if state.selves else ", which one replica an arm cannot tell"
    return [f"burn-in took {state.settled_s - state.began_s:.0f} s", spread + alone]


def _pause(analysis: Analysis, look: Look) -> str | None:
    plan, peaks = analysis.plan, analysis.peaks
    if look.routing >= -math.log(plan.alpha_routing):  # now: what was slow to end makes up for it later
        return MISROUTED
    if not analysis.labels_arrive_alike:
        return UNLIKE
    noise = max((state.noise for state in analysis.blocks.values() if isinstance(state, LatencyBlocks)), default=0.0)
    if noise >= -math.log(plan.alpha_pause):
        return NOISY
    return SHIFTED if peaks.shift >= -math.log(plan.alpha_pause) else None


def _of_metric(analysis: Analysis, look: Look, spec: MetricSpec) -> MetricVerdict:
    plan, peaks, now = analysis.plan, analysis.peaks, look.metrics[spec.name]
    shift = spec.kind is MetricKind.DISTRIBUTION
    weights = weights_of(plan)
    share = spec.weight / sum(weights[name] for name in names_of(plan, shift=shift))
    events, requests = _counts(analysis, spec, now)
    ratio, at_least = _estimate(analysis, spec, now)
    return MetricVerdict(
        name=spec.name,
        kind=spec.kind.value,
        compares=spec.compares,
        harm=now.harm / _LN10,
        harm_line=-math.log10(share * (plan.alpha_pause if shift else plan.alpha)),
        safe=peaks.safe.get(spec.name, 0.0) / _LN10,
        safe_line=plan.promotion_line,
        events=events,
        requests=requests,
        ratio=ratio,
        at_least=at_least,
        at_most=peaks.at_most.get(spec.name, math.inf),
        limit=spec.limit,
    )


def _counts(analysis: Analysis, spec: MetricSpec, now: MetricEvidence) -> tuple[tuple[int, int], tuple[int, int]]:
    """Events and requests of (stable, canary)."""
    state = analysis.blocks.get(spec.name)
    if isinstance(state, ErrorBlocks):
        return state.failed, state.requests
    if isinstance(state, LatencyBlocks):
        requests = (state.baseline.count, state.candidate.count)
        return requests, requests
    counts = analysis.labels.get(spec.name, analysis.requests).total()
    (stable, candidate), (all_stable, all_candidate) = counts[now.shown], counts[0]
    return (int(stable), int(candidate)), (int(all_stable), int(all_candidate))


def _compared(state: ErrorBlocks | LatencyBlocks) -> float | None:
    """How many times as often the candidate fails, or as slow as its baseline it is."""
    if isinstance(state, LatencyBlocks):
        return state.slowdown
    shares = [
        count / requests if requests else 0.0 for count, requests in zip(state.failed, state.requests, strict=True)
    ]
    return shares[1] / shares[0] if shares[0] else None


def _estimate(analysis: Analysis, spec: MetricSpec, now: MetricEvidence) -> tuple[float | None, float | None]:
    """The estimate of what the metric compares, and its lower bound."""
    plan, tally = analysis.plan, analysis.labels.get(spec.name, analysis.requests)
    if spec.name in analysis.blocks:
        proven = now.harm >= -math.log(plan.alpha)
        return _compared(analysis.blocks[spec.name]), spec.tolerated if proven else None
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
