"""What the evidence says now, in numbers that a person can follow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricVerdict:
    """One metric of a verdict.

    Attributes:
        name: Of the metric.
        kind: Of the metric.
        harm: Log10 of the evidence that it is worse than tolerated.
        harm_line: Log10 of the evidence at which this metric alone rolls back.
        safe: Log10 of the evidence that it is not worse by the margin; the largest so far.
        safe_line: What `safe` must reach for promotion.
        events: Events of (stable, canary); pairs: (candidate better, candidate worse) or (0, disagreements).
        requests: Requests of (stable, canary); pairs: the pairs, twice.
        ratio: Most likely canary/stable (pairs: mean difference; disagreement: rate); None when nothing happened.
        at_least: Lower bound of it that holds at all times with probability 1 - alpha; None when there is none.
        at_most: Upper bound of it at 1 - alpha_promote, the least so far; infinite while nothing is ruled out.
    """

    name: str
    kind: str
    harm: float
    harm_line: float
    safe: float
    safe_line: float
    events: tuple[int, int]
    requests: tuple[int, int]
    ratio: float | None
    at_least: float | None
    at_most: float


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of the candidate.

    Attributes:
        roll_back: The combined evidence of harm has reached 1/alpha, now or at an earlier look.
        promote: Every metric has ruled its margin out, and nothing asks to roll back or to pause.
        pause: Why a person should look before anything moves; None if nothing.
        leave_step: The ratio that errors and latency have ruled out so far; infinite while none is.
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
