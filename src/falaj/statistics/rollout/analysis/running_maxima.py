"""What the evidence reached at one look or another; a decision that was right to take stays taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from falaj.statistics.rollout.analysis.look import Look


@dataclass(frozen=True)
class Peaks:
    """The largest evidence over all looks, natural logs; Ville's inequality bounds these, not only the last value.

    Attributes:
        harm: Combined, against "not worse than tolerated".
        shift: Combined, of shifted predictions.
        routing: Of traffic that is not split as the weights say.
        safe: By metric, against "worse by the margin".
        at_most: By metric, the smallest ratio that was ruled out.
        culprits: Metrics that were named, in the order in which they were.
    """

    harm: float = 0.0
    shift: float = 0.0
    routing: float = 0.0
    safe: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)
    culprits: tuple[str, ...] = ()

    def raised(self, look: Look) -> Peaks:
        """The peaks after one more look."""
        metric_names = look.harm_by_metric()
        return Peaks(
            max(self.harm, look.harm()),
            max(self.shift, look.shift()),
            max(self.routing, look.routing),
            {name: max(look.metrics[name].safe, self.safe.get(name, 0.0)) for name in metric_names},
            {name: min(look.metrics[name].at_most, self.at_most.get(name, math.inf)) for name in metric_names},
            self.culprits + tuple(name for name in look.culprits() if name not in self.culprits),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite bound is left out."""
        finite = {name: value for name, value in self.at_most.items() if math.isfinite(value)}
        return {**asdict(self), "at_most": finite, "culprits": list(self.culprits)}

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Peaks:
        """What `to_json` made."""
        return Peaks(**{**document, "culprits": tuple(document["culprits"])})
