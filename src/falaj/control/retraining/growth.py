"""When a model is worth training again by how much more there is to learn from, or by its age (pure).

Half as many rows again teach a model something; a tenth more hardly does, and costs as much. So trainings become rarer
as rows pile up, and a model that gets few labels is not forgotten either: after so many days it is trained anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from falaj.control.retraining.training_history import DAY_S, REGROWTH, TriggerError

FACTOR, MAX_AGE_S = 1.5, 60 * DAY_S


@dataclass(frozen=True)
class GrowthPolicy:
    """When growth is worth a training.

    Args:
        factor: So many times the rows that the live model learned from.
        max_age_s: A model that was trained longer ago is trained again; None leaves it to the factor.

    Raises:
        TriggerError: A number cannot be.
    """

    factor: float = FACTOR
    max_age_s: float | None = MAX_AGE_S

    def __post_init__(self) -> None:
        if not self.factor > 1 or not (self.max_age_s is None or self.max_age_s > 0):
            raise TriggerError("rows grow by a factor above 1, and an age is positive")


@dataclass(frozen=True)
class LabelledGrowth:
    """How the labelled rows of a model have grown.

    Attributes:
        learned: Rows that the model was trained on; 0 when that is not known.
        now: Rows that it could be trained on now.
        trained_at: When that training began, unix seconds.
    """

    learned: int
    now: int
    trained_at: float


def growth_reason(policy: GrowthPolicy, growth: LabelledGrowth, now: float) -> str:
    """Why a model is due for a training, in words; empty when it is not.

    A model without new rows is never due: a training would give the same one again.

    Args:
        policy: When growth is worth a training.
        growth: Of the model.
        now: Unix seconds.
    """
    if growth.now <= growth.learned:
        return ""
    if growth.learned > 0 and growth.now >= policy.factor * growth.learned:
        grown = growth.now / growth.learned
        return f"labelled rows have grown from {growth.learned} to {growth.now}, {grown:.2g} times as many"
    age_s = now - growth.trained_at
    if policy.max_age_s is not None and age_s >= policy.max_age_s:
        return f"the model was trained {age_s / DAY_S:.0f} days ago, and {policy.max_age_s / DAY_S:.3g} are its age"
    return ""


def growth_occasion(run: str, growth: LabelledGrowth) -> str:
    """A name for one occasion of growth: another one only when rows have grown by what is worth another look.

    Args:
        run: The run that made the newest release.
        growth: Of the model.
    """
    return f"growth/{run}/{int(math.log(max(growth.now, 1), REGROWTH))}"


def rows_to_wait_for(rows_at_loss: int, factor: float = REGROWTH) -> int:
    """How many rows there have to be after a candidate that did not win, before another is trained."""
    return math.ceil(round(rows_at_loss * factor, 6))
