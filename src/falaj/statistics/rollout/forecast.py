"""How long a canary with a baseline will take at the traffic of the past, before it begins (pure).

What decides last is that nothing fails: bets on a floor win little a block (see `analysis.error_blocks`), and with thin
traffic blocks are long. The forecast is for a candidate and a baseline that do not fail at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from falaj.statistics.rollout.analysis import MetricKind
from falaj.statistics.rollout.analysis.error_blocks import blocks_to_rule_out
from falaj.statistics.rollout.judging import RATIOS, analysis_plan
from falaj.statistics.rollout.plan import WHOLE, RolloutPlan
from falaj.statistics.rollout.state_machine import ratio_to_leave

LATENCY_BLOCKS = 60
"""Blocks after burn-in in which latencies of the usual spread are known to be within a margin of one half."""
LABEL_BLOCKS = 30
"""Blocks of labels in which a loss of the usual spread is."""


@dataclass(frozen=True)
class Forecast:
    """How long the steps of a plan take.

    Args:
        steps_s: Seconds of each step.
        traffic_s: Seconds of each step for what requests alone decide; labels come when they come.
        decides: Name of the metric that takes longest.
    """

    steps_s: tuple[float, ...]
    traffic_s: tuple[float, ...]
    decides: str

    @property
    def total_s(self) -> float:
        """Seconds of all steps."""
        return sum(self.steps_s)


def forecast(plan: RolloutPlan, lengths_s: Sequence[float]) -> Forecast | None:
    """How long each step takes.

    Args:
        plan: Of a canary.
        lengths_s: How long a block of time is in each step.

    Returns:
        None where nothing is judged by blocks of time.
    """
    judged_by = [metric.name for metric in plan.metrics if metric.name != "predictions"]
    if not plan.baseline or not plan.steps or not judged_by:
        return None
    needs = {name: _needs(name, plan) for name in judged_by}
    passed, steps, traffic, waited = 0.0, list[float](), list[float](), dict.fromkeys(needs, 0.0)
    for place in range(len(plan.steps)):
        remaining_s = {name: max(0.0, blocks[place] - passed) * _block_s(name, plan, lengths_s[place])
                for name, blocks in needs.items()}  # fmt: skip
        waited = {name: waited[name] + remaining_s[name] for name in needs}
        traffic.append(max((seconds for name, seconds in remaining_s.items() if name in RATIOS), default=0.0))
        steps.append(max(plan.hold_s, *remaining_s.values()) + (plan.burn_in_s if place == 0 else 0.0))
        passed += steps[-1] / lengths_s[place]
    return Forecast(tuple(steps), tuple(traffic), max(waited, key=lambda name: waited[name]))


def refusal(plan: RolloutPlan, estimate: Forecast, rate: float) -> str:
    """Why a plan cannot end in time, and what would work; empty where it can."""
    place = next((place for place, seconds in enumerate(estimate.traffic_s) if seconds > plan.max_s), None)
    if place is None:
        return ""
    return (
        f"the plan cannot end: at {rate:.3g} requests a second, a step of {plan.steps[place] / WHOLE:.2%} takes about "
        f"{_words(estimate.traffic_s[place])}, and `max` is {_words(plan.max_s)}; begin with a larger step, compare "
        "by a "
        "shadow or a challenger first, or allow more time"
    )


def in_words(estimate: Forecast, rate: float) -> str:
    """`at 12 requests a second it takes about 5 min; errors decide last`."""
    return f"at {rate:.3g} requests a second it takes about {_words(estimate.total_s)}; {estimate.decides} decides last"


def _needs(name: str, plan: RolloutPlan) -> list[float]:
    """Blocks until each step can be left."""
    if name not in RATIOS:
        return [float(LABEL_BLOCKS)] * len(plan.steps)
    if name == "latency":
        return [float(LATENCY_BLOCKS)] * len(plan.steps)
    analysis = analysis_plan(plan, (), ())
    [spec] = analysis.of_kind(MetricKind.ERROR_BLOCKS)
    gates = [ratio_to_leave(weight) for weight in plan.steps[:-1]] + [None]
    return [blocks_to_rule_out(spec, gate or spec.margin, analysis.alpha_promote) for gate in gates]


def _block_s(name: str, plan: RolloutPlan, length_s: float) -> float:
    return length_s if name in RATIOS else plan.label_block_s


def _words(seconds: float) -> str:
    unit, size = next(((u, s) for u, s in (("d", 86_400), ("h", 3_600), ("min", 60)) if seconds >= s), ("s", 1))
    return f"{seconds / size:.2g} {unit}" if math.isfinite(seconds) else "for ever"
