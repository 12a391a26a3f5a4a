"""What triage looks at: the findings of all monitors of one release in one window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from falaj.statistics.performance import Measured, Method

TRUSTED_ALONE: frozenset[Method] = frozenset({"betting", "bootstrap", "prediction-powered"})
"""Methods that rest on labels. The others rest on the model's own confidence, which a change of concept misleads."""


@dataclass(frozen=True)
class QualityFact:
    """A quality rule that fired.

    Attributes:
        rule: Its name, such as `missing`, `unit`, `stuck`, `freshness`.
        text: What was found, in words.
        source: Where the data comes from; empty when it is not one source's fault.
        upstream: Whether it speaks of a fault on the way to the model. A new category may as well be news of the world.
    """

    rule: str
    text: str
    source: str = ""
    upstream: bool = True


@dataclass(frozen=True)
class DriftFact:
    """A feature whose distribution has changed by more than its tolerated effect.

    Attributes:
        feature: Its name.
        effect: How much, in the unit of the drift monitor (about standard deviations).
        source: Where the feature comes from; empty when that is not known.
    """

    feature: str
    effect: float
    source: str = ""


@dataclass(frozen=True)
class LossFact:
    """How much worse the model is than in its reference.

    Attributes:
        metric: Which one.
        excess: Interval of the loss beyond the reference's; None when it is not known.
        method: Where it comes from.
        reason: Why it is not known, or what it rests on.
    """

    metric: str
    excess: tuple[float, float] | None
    method: Method
    reason: str = ""


@dataclass(frozen=True)
class TriageFacts:
    """Everything that is known of one release in one window.

    Attributes:
        release: Whose predictions they are.
        start: Of the window, unix seconds.
        end: Of the window, unix seconds.
        rows: Predictions in it.
        quality: Rules that fired.
        drift: Features that drifted.
        joint_drift: Whether the features' joint distribution changed.
        features_of_source: How many features come from each source.
        loss_alarm: What the concept monitor says in words when it has raised an alarm, else empty.
        loss: The measured or estimated loss; None when nothing was measured.
        tolerance: By how much the loss may be larger.
        far_from_reference: Whether inputs are so unlike the reference's that the model's scores may mean anything.
    """

    release: str
    start: float
    end: float
    rows: int
    quality: tuple[QualityFact, ...] = ()
    drift: tuple[DriftFact, ...] = ()
    joint_drift: bool = False
    features_of_source: Mapping[str, int] = field(default_factory=dict)
    loss_alarm: str = ""
    loss: LossFact | None = None
    tolerance: float = 0.0
    far_from_reference: bool = False


def loss_fact(measured: Measured, expected: float, *, higher_is_better: bool) -> LossFact:
    """What a measured metric says about the loss.

    Args:
        measured: In the window.
        expected: The metric in the reference.
        higher_is_better: Of the metric.
    """
    if measured.interval is None or not all(map(math.isfinite, (*measured.interval, expected))):
        return LossFact(measured.metric, None, measured.method, measured.reason)
    low, high = (limit - expected for limit in measured.interval)
    excess = (-high, -low) if higher_is_better else (low, high)
    return LossFact(measured.metric, excess, measured.method, measured.reason)
