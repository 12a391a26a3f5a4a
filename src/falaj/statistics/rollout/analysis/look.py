"""The evidence of all metrics at one moment, and what it says together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from falaj.statistics.rollout.analysis.combine import culprits, log_combined
from falaj.statistics.rollout.analysis.evidence import MetricEvidence
from falaj.statistics.rollout.analysis.plan import AnalysisPlan, MetricKind


@dataclass(frozen=True)
class Look:
    """What is seen at one moment; logs are natural.

    Attributes:
        plan: What is judged.
        metrics: By name.
        routing: Log e-value against "traffic is split as the weights say".
    """

    plan: AnalysisPlan
    metrics: Mapping[str, MetricEvidence]
    routing: float

    def harm_by_metric(self) -> dict[str, float]:
        """Evidence of a regression of the metrics that can roll back."""
        return {name: self.metrics[name].harm for name in names_of(self.plan, shift=False)}

    def harm(self) -> float:
        """Combined evidence that the candidate is worse than tolerated."""
        return log_combined(self.harm_by_metric(), weights_of(self.plan))

    def shift(self) -> float:
        """Combined evidence that predictions have shifted."""
        shifts = {name: self.metrics[name].harm for name in names_of(self.plan, shift=True)}
        return log_combined(shifts, weights_of(self.plan))

    def culprits(self) -> tuple[str, ...]:
        """Metrics that can be named at the error bound of a rollback, strongest first."""
        line = -math.log(self.plan.alpha)
        return culprits(self.harm_by_metric(), weights_of(self.plan), line) if self.harm() >= line else ()

    def foremost(self) -> str | None:
        """The metric with the largest share of the combined evidence."""
        weights, evidence_by_name = weights_of(self.plan), self.harm_by_metric()
        return max(evidence_by_name, key=lambda name: evidence_by_name[name] + math.log(weights[name]), default=None)


def names_of(plan: AnalysisPlan, *, shift: bool) -> list[str]:
    """The metrics that pause because of a shift, or those that roll back."""
    return [metric.name for metric in plan.metrics if (metric.kind is MetricKind.DISTRIBUTION) is shift]


def weights_of(plan: AnalysisPlan) -> dict[str, float]:
    """Share of the error budget, by metric."""
    return {metric.name: metric.weight for metric in plan.metrics}
