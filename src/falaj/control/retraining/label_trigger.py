"""When labels are worth a training: so many new ones, or a loss that they show (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.control.retraining.training_history import Trigger, TriggerKind


@dataclass(frozen=True)
class LabelTriggerRule:
    """When labels are worth a training.

    Args:
        every: So many new labels; None when their number does not matter.
        loss_bound: A loss that is not to be exceeded; None when there is none.
    """

    every: int | None = None
    loss_bound: float | None = None


def feedback_trigger(
    model: str, trained_as: str, rule: LabelTriggerRule, *, labels: int, loss: tuple[float, float] | None, now: float
) -> Trigger | None:
    """The trigger that labels are, if they are one.

    Args:
        model: Whose predictions are labelled.
        trained_as: The training that made the release which is live; names the occasion, so that labels count anew
            after each.
        rule: When labels are worth a training.
        labels: New ones since that training's data.
        loss: Interval of the loss that they show; None when it is not known.
        now: Unix seconds.
    """
    if rule.loss_bound is not None and loss is not None and loss[0] > rule.loss_bound:
        reason = f"the loss is at least {loss[0]:.4g}, and {rule.loss_bound:g} is the bound"
        return Trigger(TriggerKind.FEEDBACK, model, f"feedback/{trained_as}/loss", now, reason)
    if rule.every is not None and 1 <= rule.every <= labels:
        times = labels // rule.every
        reason = f"{labels} new labels, {rule.every} are worth a training"
        return Trigger(TriggerKind.FEEDBACK, model, f"feedback/{trained_as}/labels/{times}", now, reason)
    return None
