"""The life of a run as a pure transition.

    queued ──claimed──> running ──finished──> succeeded | rejected | failed
      │                    │
      └──── cancel ────────┴──> cancelling ──finished──> cancelled

A worker that dies leaves the state as it is; its lease runs out, the next worker claims the run and finds the finished
steps in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from falaj.core.transition import Effect, IllegalTransitionError, ProcessEvent, TransitionStep


class RunState(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({RunState.SUCCEEDED, RunState.REJECTED, RunState.FAILED, RunState.CANCELLED})
EVENTS = ("claimed", "cancel", "finished")


def transition(state: str, data: Mapping[str, Any], event: ProcessEvent, now: float) -> TransitionStep:
    """Decide what an event does to a run.

    Args:
        state: A `RunState`.
        data: `run_id`, and `commit_status` (true when a git host waits for a status).
        event: `claimed`, `cancel`, or `finished` with `outcome` (an ended `RunState`) and `reason`.
        now: Unix seconds; a run that still has to be worked on is due now.

    Raises:
        IllegalTransitionError: The event means nothing in this state.
    """
    match RunState(state), event.name:
        case RunState.QUEUED, "claimed":
            return TransitionStep(RunState.RUNNING, wake_at=now, effects=_status(data, "pending"))
        case RunState.RUNNING, "claimed":
            return TransitionStep(RunState.RUNNING, wake_at=now)
        case RunState.CANCELLING, "claimed":
            return TransitionStep(RunState.CANCELLING, wake_at=now)
        case RunState.QUEUED | RunState.RUNNING | RunState.CANCELLING, "cancel":
            return TransitionStep(RunState.CANCELLING, wake_at=now)
        case RunState.CANCELLING, "finished":
            return TransitionStep(RunState.CANCELLED, effects=_status(data, "cancelled", "cancelled"))
        case RunState.RUNNING, "finished":
            outcome = RunState(event.data["outcome"])
            verdict = "success" if outcome is RunState.SUCCEEDED else "failure"
            return TransitionStep(outcome, effects=_status(data, verdict, event.data.get("reason", "")))
        case _:
            raise IllegalTransitionError(f"a {state} run cannot take '{event.name}'", where=f"run {data['run_id']}")


def _status(data: Mapping[str, Any], state: str, description: str = "") -> tuple[Effect, ...]:
    if not data.get("commit_status"):
        return ()
    run_id = data["run_id"]
    message = {"run_id": run_id, "state": state, "description": description}
    return (Effect("commit-status", f"commit-status/{run_id}/{state}", message),)
