"""From the plan of a rollout to what is judged, and from a verdict to words (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from falaj.statistics.losses import OF_NUMBERS
from falaj.statistics.rollout.analysis import AnalysisPlan, MetricKind, MetricSpec, MetricVerdict, RolloutVerdict
from falaj.statistics.rollout.analysis.plan import LATENCY_QUANTILES
from falaj.statistics.rollout.plan import MetricPlan, RolloutPlan, RolloutStrategy
from falaj.statistics.rollout.state_machine import AnalysisReported

MIN_PAST = 50
"""So many requests of the past must be known to take cuts from them."""
DEFAULT_CUTS_MS = (5.0, 25.0, 100.0)
"""Cuts of an endpoint without a past; any cut that is fixed in advance is valid, these may see less."""
MAX_SLOWER, SLOWER_MARGIN = 0.1, 0.5
"""Of the baseline's time: how much may be added, and what must be ruled out before promotion."""
LATENCY_TOLERATED, LATENCY_MARGIN = 1.25, 2.0
"""A replica with less traffic is a little slower for that alone: its caches are colder. That is no harm."""
ERROR_FLOOR = 0.01
"""Where the stable release has fewer errors than this, a candidate is good enough with as few."""
OF_HOLDBACK = 0.25
"""Share of the bound that is the holdback's; the steps have the rest."""
RATIOS = ("errors", "latency", "predictions")
"""Metrics that compare by a ratio of rates; losses are compared by the difference of their means."""
_PAIRED = (RolloutStrategy.SHADOW, RolloutStrategy.CHALLENGER)


def analysis_plan(
    plan: RolloutPlan,
    past_latency_ms: Sequence[float],
    past_scores: Sequence[float],
    past_errors: Sequence[float] = (),
) -> AnalysisPlan:
    """What is judged, with every cut fixed before the first request of the candidate.

    Args:
        plan: Of the rollout.
        past_latency_ms: Latencies of the stable release before the rollout.
        past_scores: Scores that the stable release predicted before the rollout.
        past_errors: By how much numbers were off that the stable release predicted before the rollout.
    """
    specs = [_spec(metric, plan, past_latency_ms, past_scores) for metric in plan.metrics]
    limit = limit_of(past_errors, past_scores)
    specs = [replace(spec, limit=limit) if spec and spec.name in OF_NUMBERS else spec for spec in specs]
    return AnalysisPlan(
        metrics=tuple(spec for spec in specs if spec is not None),
        alpha=plan.false_alarm * (1 - OF_HOLDBACK if plan.holdback_s else 1),
        alpha_promote=plan.false_promotion,
        starts=max(1, len(plan.steps)),
        label_block_s=plan.label_block_s,
        burn_in_s=plan.burn_in_s,
        burn_in_max_s=plan.burn_in_max_s,
    )


def of_holdback(ramp: AnalysisPlan, plan: RolloutPlan) -> AnalysisPlan:
    """What the holdback is judged by: a test of its own, with its own share of the bound.

    Sticky units count once more in it. Evidence of two tests that share units cannot be added up, so the bound is
    divided between them before the rollout.
    """
    return replace(ramp, alpha=plan.false_alarm * OF_HOLDBACK, starts=1)


def _spec(
    metric: MetricPlan, plan: RolloutPlan, past_ms: Sequence[float], scores: Sequence[float]
) -> MetricSpec | None:
    own = _bounds(metric)
    match metric.name:
        case "errors" if plan.baseline:
            return MetricSpec.error_blocks(floor=ERROR_FLOOR, **own)
        case "latency" if plan.strategy is RolloutStrategy.CANARY:
            return MetricSpec.latency_blocks(**_time_bounds(metric))
        case "errors":
            return MetricSpec.errors(floor=ERROR_FLOOR, **own)
        case "latency":
            cuts = cuts_of(past_ms, LATENCY_QUANTILES) or DEFAULT_CUTS_MS
            return MetricSpec.latency(cuts, **_latency_bounds(metric))
        case "predictions":
            cuts = score_cuts(scores)
            own.pop("margin", None)
            return MetricSpec.distribution(cuts, **own) if cuts else None
        case name:
            quality = MetricSpec.quality_paired if plan.strategy in _PAIRED else MetricSpec.quality
            return replace(quality(name, **own), quantile=metric.quantile or 0.5)


def _bounds(metric: MetricPlan) -> dict[str, Any]:
    """The bounds that were asked for; where more is tolerated, the margin goes up with it."""
    margin = metric.margin
    if margin is None and metric.tolerate is not None:
        margin = 1.5 * metric.tolerate if metric.name in RATIOS else metric.tolerate + 0.02
    optional_bounds = {"tolerated": metric.tolerate, "margin": margin}
    return {name: value for name, value in optional_bounds.items() if value is not None}


def _time_bounds(metric: MetricPlan) -> dict[str, Any]:
    """Tolerance and margin as ratios of times; a margin that is not given lies as far above as it usually does."""
    latency_floor = {} if metric.at_least_ms is None else {"at_least_ms": metric.at_least_ms}
    tolerate = MAX_SLOWER if metric.tolerate is None else metric.tolerate
    margin = max(SLOWER_MARGIN, 2 * tolerate) if metric.margin is None else metric.margin
    return {"tolerated": 1 + min(tolerate, margin / 2), "margin": 1 + margin, **latency_floor}


def _latency_bounds(metric: MetricPlan) -> dict[str, Any]:
    """Of a shadow, whose latencies are compared by how many are above quantiles of the past: at least the usual."""
    margin = max(LATENCY_MARGIN, 1 + (metric.margin or 0.0))
    return {"tolerated": max(LATENCY_TOLERATED, 1 + (metric.tolerate or 0.0)), "margin": margin}


def cuts_of(past: Sequence[float], quantiles: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """The quantiles of past values, ascending and each once; empty when too few are known."""
    values = np.asarray([value for value in past if math.isfinite(value)], dtype=float)
    if len(values) < MIN_PAST:
        return ()
    return tuple(sorted({float(value) for value in np.quantile(values, quantiles)}))


def score_cuts(past: Sequence[float]) -> tuple[float, ...]:
    """Tenths of past scores; a score that is more common than that has a bin of its own."""
    tenths = np.arange(0.1, 1.0, 0.1)
    cuts = cuts_of(past, tenths)
    common = [cut for cut in cuts if np.mean(np.asarray(past) == cut) > 0.1]
    return tuple(sorted({*cuts, *np.nextafter(common, math.inf).tolist()}))


def limit_of(past_errors: Sequence[float], past_scores: Sequence[float]) -> float | None:
    """What errors of numbers are cut off at: 99 of 100 were smaller.

    Where too few labels are known, the spread of what was predicted says how large an error can be; None where that
    is not known either.
    """
    of_errors = cuts_of(past_errors, [0.99])
    if of_errors and of_errors[-1] > 0:
        return of_errors[-1]
    of_scores = cuts_of(past_scores, [0.01, 0.99])
    return of_scores[-1] - of_scores[0] if len(of_scores) > 1 else None


def analysis_report(verdict: RolloutVerdict, plan: RolloutPlan) -> AnalysisReported:
    """What the state machine is told."""
    return AnalysisReported(
        harm=harm_in_words(verdict, plan) if verdict.roll_back else "",
        culprits=_culprits(verdict) if verdict.roll_back else (),
        doubt=verdict.pause or "",
        ruled_out=verdict.leave_step,
        acceptable=verdict.promote,
    )


def harm_in_words(verdict: RolloutVerdict, plan: RolloutPlan) -> str:
    """Why a candidate goes: `after 412 canary requests: errors, at least 2.1 times stable; false-alarm bound 1%`."""
    culprits = [metric for metric in verdict.metrics if metric.name in _culprits(verdict)]
    culprit_text = ", ".join(_worse(metric) for metric in culprits) or "all metrics together"
    return (
        f"after {verdict.exposed:,} candidate requests: {culprit_text}; false-alarm bound {100 * plan.false_alarm:.3g}%"
    )


def _culprits(verdict: RolloutVerdict) -> tuple[str, ...]:
    """What the harm is shown for; where it is shown for all together only, what speaks loudest."""
    return verdict.culprits or tuple(filter(None, [verdict.foremost]))


def _worse(metric: MetricVerdict) -> str:
    is_ratio = metric.compares == "ratio"
    blocks = metric.kind in (MetricKind.ERROR_BLOCKS, MetricKind.LATENCY_BLOCKS)
    words = "times the baseline" if blocks else "times stable" if is_ratio else "more than stable"
    if is_ratio and metric.at_least is not None and metric.at_least > 1:
        return f"{metric.name} at least {metric.at_least:.2g} {words}"
    return metric.name if metric.ratio is None else f"{metric.name} about {metric.ratio:.2g} {words}{_cut_off(metric)}"


def _cut_off(metric: MetricVerdict) -> str:
    if metric.limit is None:
        return ""
    unit = "its square" if metric.name == "rmse" else "it"
    return f" (errors are cut off at {metric.limit:.4g} and counted as shares of {unit})"
