"""The life of a change as a pure transition: one release that somebody wants in one environment.

    requested ─> awaiting_approval ─> approved ─> deploying ─> done
        │                │              │  ^          └──────> failed
        │                │              v  │
        └── (no approval asked for) ─> scheduled     emergency: done ─> review_due ─> reviewed
                                                                            └──────> rolled_back
    from every state before deploying: rejected, cancelled, expired, invalidated

Waiting costs a row: `wake_at` is when the change expires, its window opens, or its review is overdue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from falaj.core.transition import IllegalTransitionError, ProcessEvent, TransitionStep


class ChangeState(StrEnum):
    """Where a change is."""

    REQUESTED = "requested"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    DEPLOYING = "deploying"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    CANCELLED = "cancelled"
    REVIEW_DUE = "review_due"
    REVIEWED = "reviewed"
    ROLLED_BACK = "rolled_back"


_S = ChangeState
OPEN = frozenset({_S.REQUESTED, _S.AWAITING_APPROVAL, _S.APPROVED, _S.SCHEDULED})
"""Nothing has been deployed yet, and it can still be stopped."""

ARRIVING = frozenset({_S.APPROVED, _S.SCHEDULED, _S.DEPLOYING})
"""The release will go live in the environment by this change unless something goes wrong: no person is waited for."""

PASSED = frozenset({_S.DONE, _S.REVIEW_DUE, _S.REVIEWED})
"""The release went live in the environment by this change, and it stands."""

LOOK_EVERY_S = 30.0
"""How often to look whether a deployment has ended whose end nobody told: a process may die before it does."""

_ENDS = {"rejected": _S.REJECTED, "cancelled": _S.CANCELLED, "expired": _S.EXPIRED, "invalidated": _S.INVALIDATED}
EVENTS = (
    "submitted",
    "approved",
    "scheduled",
    "opened",
    "looked-at",
    "deployed",
    "failed",
    "reviewed",
    "taken-back",
    *_ENDS,
)


def transition(state: str, data: Mapping[str, Any], event: ProcessEvent, now: float) -> TransitionStep:
    """Decide what an event does to a change.

    Args:
        state: A `ChangeState`.
        data: `kind`, `quorum` (people who must approve), `expires_at` (unix seconds), `review_within_s`.
        event: One of `EVENTS`; `scheduled` with `at`, the endings with `reason`.
        now: Unix seconds.

    Raises:
        IllegalTransitionError: The event means nothing in this state (`change.state`).
    """
    if event.name in _ENDS and state in OPEN:
        return TransitionStep(_ENDS[event.name], data=_because(data, event))
    match ChangeState(state), event.name:
        case _S.REQUESTED, "submitted" if data["quorum"]:
            return TransitionStep(_S.AWAITING_APPROVAL, wake_at=data["expires_at"])
        case (_S.REQUESTED, "submitted") | (_S.AWAITING_APPROVAL, "approved"):
            return TransitionStep(_S.APPROVED, wake_at=now)
        case _S.APPROVED | _S.SCHEDULED, "scheduled":
            return TransitionStep(_S.SCHEDULED, wake_at=min(event.data["at"], data["expires_at"]))
        case (_S.APPROVED | _S.SCHEDULED, "opened") | (_S.DEPLOYING, "looked-at"):
            return TransitionStep(_S.DEPLOYING, wake_at=now + LOOK_EVERY_S)
    return _after_opening(ChangeState(state), data, event, now)


def _after_opening(state: ChangeState, data: Mapping[str, Any], event: ProcessEvent, now: float) -> TransitionStep:
    match state, event.name:
        case _S.DEPLOYING, "deployed" if data["kind"] == "emergency":
            return TransitionStep(_S.REVIEW_DUE, wake_at=now + data["review_within_s"])
        case _S.DEPLOYING, "deployed":
            return TransitionStep(_S.DONE)
        case _S.DEPLOYING, "failed":
            return TransitionStep(_S.FAILED, data=_because(data, event))
        case _S.REVIEW_DUE, "reviewed":
            return TransitionStep(_S.REVIEWED)
        case _S.REVIEW_DUE | _S.REVIEWED | _S.DONE, "taken-back":
            return TransitionStep(_S.ROLLED_BACK, data=_because(data, event))
    raise IllegalTransitionError(f"a change that is {state} cannot be {event.name}", code="change.state")


def _because(data: Mapping[str, Any], event: ProcessEvent) -> Mapping[str, Any]:
    return {**data, "ended_because": event.data.get("reason", "")}
