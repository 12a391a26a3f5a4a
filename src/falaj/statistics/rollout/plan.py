"""What a rollout is to do: the strategy of an environment, made concrete for one candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from falaj.core.json_record import JsonRecord

WHOLE = 10_000
"""All of the traffic: shares are counted in 1/10,000."""

FALSE_ALARM = 0.01
"""Bound on the probability that a candidate which is no worse is rolled back, where nothing else is said."""
LONGEST_BLOCK_S = 60.0
FEWEST_IN_BLOCK = 5
"""A block of time is longer than a second only where an arm would have fewer requests in it."""


class RolloutStrategy(StrEnum):
    """How a candidate replaces the stable release."""

    RECREATE = "recreate"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"
    SHADOW = "shadow"
    CHALLENGER = "challenger"
    """Gets a copy of the traffic for comparison and never answers anybody."""


@dataclass(frozen=True)
class MetricPlan:
    """One metric that a candidate is judged by.

    Args:
        name: `errors`, `latency`, `predictions`, or a loss such as `brier`.
        tolerate: Ratio to the stable release that counts as no harm; of latency, the share of time that may be added;
            of a loss, the difference. None for the metric's own.
        margin: The same, for what must be ruled out before the candidate is promoted; None for the metric's own,
            which lies as far above what is tolerated as it usually does.
        at_least_ms: Of latency: a smaller difference is no harm; None for the metric's own.
        quantile: Of `pinball`, which quantile is predicted; None for the median.
    """

    name: str
    tolerate: float | None = None
    margin: float | None = None
    quantile: float | None = None
    at_least_ms: float | None = None


@dataclass(frozen=True)
class RolloutPlan(JsonRecord):
    """All that the agent must know to carry a rollout out alone.

    Args:
        id: Of the deployment that it belongs to.
        strategy: The movement.
        candidate: Number of the release that comes.
        stable: Number of the release that is there.
        steps: Weights of a canary in 1/10,000, growing.
        hold_s: Least time of each step; of a shadow, how long it lasts; of a preview, how long it stays open.
        max_s: A step or shadow that lasts longer is inconclusive, and a person decides.
        holdback: Share in 1/10,000 that stays with the stable release after the last step.
        holdback_s: How long a rollback stays instant after the promotion.
        warm_up_s: A candidate that is not ready by then is given up.
        burn_in_s: Latencies are not judged so soon after the candidate's start: caches are cold.
        burn_in_max_s: By then they are, whether the candidate has settled or not.
        baseline: Whether a canary is compared with replicas of the stable release that are as many, started with it,
            and get as much of the traffic. Without, arms of different size are compared, and no bound is promised for
            latency.
        metrics: What is judged.
        false_alarm: Bound on the probability that a candidate which is no worse is rolled back.
        false_promotion: Bound on the probability that one that is worse by the margin is promoted.
        sticky: Request header whose value keeps a unit on one side; None for none.
        matches: Requests that go to the candidate whatever the weight: `kind`, `name`, `value`.
        mirror: Share 0..1 of the requests that a shadow gets a copy of.
        capture: Whether rows of a failing slice may leave the location: `rows`, or `summary` where they may not.
        no_new_units: What becomes of a step whose sticky units were all counted before: `wait` for new ones until
            the step is inconclusive, or `leave` it by time; the last step always waits.
        label_block_s: Labels of predictions of so many seconds are one observation.
    """

    id: str
    strategy: RolloutStrategy
    candidate: int
    stable: int
    steps: tuple[int, ...] = ()
    hold_s: float = 0.0
    max_s: float = 7 * 86_400.0
    holdback: int = 0
    holdback_s: float = 0.0
    warm_up_s: float = 300.0
    burn_in_s: float = 0.0
    burn_in_max_s: float = 300.0
    baseline: bool = False
    metrics: tuple[MetricPlan, ...] = ()
    false_alarm: float = FALSE_ALARM
    false_promotion: float = 0.05
    sticky: str | None = None
    matches: tuple[Mapping[str, str], ...] = ()
    mirror: float = 1.0
    capture: str = "rows"
    label_block_s: float = 86_400.0
    no_new_units: str = "wait"


def block_length_s(rate: float | None, share: float) -> float:
    """How long a block of time is that two arms are compared in, in seconds; to be fixed before the first one.

    Args:
        rate: Requests a second to the endpoint in the past; None where that is not known.
        share: Of one arm, 0..1.
    """
    if not rate or not share:
        return 1.0
    return float(min(LONGEST_BLOCK_S, max(1.0, math.ceil(FEWEST_IN_BLOCK / (rate * share)))))


def plan_of(rollout_id: str, kind: str, options: Mapping[str, Any], candidate: int, stable: int) -> RolloutPlan:
    """The plan of a rollout.

    Args:
        rollout_id: Id of the deployment.
        kind: Name of the strategy.
        options: Its options as the project file gives them: shares 0..1, durations in seconds.
        candidate: Release that comes.
        stable: Release that is there.
    """
    strategy = RolloutStrategy(kind)
    holdback = options.get("holdback") or {}
    metrics = options.get("metrics") or _METRICS.get(strategy, ())
    return RolloutPlan(
        id=rollout_id, strategy=strategy, candidate=candidate, stable=stable,
        steps=tuple(round(share * WHOLE) for share in options.get("steps", ())),
        hold_s=float(options.get("hold_s", options.get("for_s", options.get("preview_s", 0.0)))),
        max_s=float(options.get("max_s", 7 * 86_400.0)),
        holdback=round(float(holdback.get("share", 0.0)) * WHOLE),
        holdback_s=float(holdback.get("for_s", options.get("rollback_window_s", 0.0))),
        burn_in_s=float(options.get("burn_in_s", 0.0)), burn_in_max_s=float(options.get("burn_in_max_s", 300.0)),
        baseline=strategy is RolloutStrategy.CANARY and bool(options.get("baseline", True)),
        metrics=tuple(_metric(each) for each in metrics),
        false_alarm=float(options.get("false_alarm", FALSE_ALARM)),
        sticky=options.get("sticky"), matches=tuple(options.get("matches", ())),
        mirror=float(options.get("mirror", 1.0)), capture=options.get("capture", "rows"),
        no_new_units=options.get("no_new_units", "wait"),
        label_block_s=float(options.get("label_block_s", 86_400.0)),
    )  # fmt: skip


# A switch to green has no traffic on blue to compare it with: nothing is judged.
_METRICS: Mapping[RolloutStrategy, tuple[str, ...]] = {
    RolloutStrategy.CANARY: ("errors", "latency"),
    RolloutStrategy.SHADOW: ("errors",),
    RolloutStrategy.CHALLENGER: ("errors",),
}


def _metric(value: str | Mapping[str, Any]) -> MetricPlan:
    return MetricPlan(value) if isinstance(value, str) else MetricPlan(**value)
