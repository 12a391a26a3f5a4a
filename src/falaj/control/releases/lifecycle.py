"""The life of a deployment as a pure transition: one release moving into one endpoint.

waiting ──queued──> pending ──start──> converging ─────ready──────────────> live
(for the location before)                  ├──rolling──> rolling ──ready──> live
                                           │                └──failed──> failed
                                           ├──failed──> failed
                                           └──timeout──> failed
everything but failed ── superseded (by a later deployment of the endpoint, or by a failed one elsewhere) ──> superseded
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from falaj.core.transition import Effect, IllegalTransitionError, ProcessEvent, TransitionStep
from falaj.statistics.rollout import RolloutStrategy

CONVERGE_TIMEOUT_S = 300.0


class DeploymentState(StrEnum):
    """Where a deployment is."""

    WAITING = "waiting"
    PENDING = "pending"
    CONVERGING = "converging"
    ROLLING = "rolling"
    LIVE = "live"
    FAILED = "failed"
    SUPERSEDED = "superseded"


UNDECIDED = frozenset({DeploymentState.PENDING, DeploymentState.CONVERGING, DeploymentState.ROLLING})
"""It is under way."""
SUPERSEDABLE = UNDECIDED | {DeploymentState.WAITING, DeploymentState.LIVE}
EVENTS = ("queued", "start", "rolling", "ready", "failed", "timeout", "superseded")


def transition(state: str, data: Mapping[str, Any], event: ProcessEvent, now: float) -> TransitionStep:
    """Decide what an event does to a deployment.

    Args:
        state: A `DeploymentState`.
        data: `model`, `release`, `environment`, `location`, `digest`.
        event: `queued` with `at`, `start` with the `plan` of a rollout, `rolling`, `ready`, `failed` with `message`,
            `timeout` or `superseded`; the ends of a rollout carry its `record`.
        now: Unix seconds.

    Raises:
        IllegalTransitionError: The event means nothing in this state.
    """
    match DeploymentState(state), event.name:
        case DeploymentState.WAITING, "queued":
            return TransitionStep(DeploymentState.PENDING, wake_at=event.data["at"])
        case DeploymentState.PENDING, "start":
            wake_at = now + CONVERGE_TIMEOUT_S
            return TransitionStep(
                DeploymentState.CONVERGING, data={**data, "plan": event.data.get("plan")}, wake_at=wake_at
            )
        case DeploymentState.CONVERGING | DeploymentState.ROLLING, "rolling":
            return TransitionStep(DeploymentState.ROLLING)  # the agent ends it, however long that takes
        case DeploymentState.CONVERGING | DeploymentState.ROLLING, "ready":
            return TransitionStep(DeploymentState.LIVE, data=_recorded(data, event), effects=_alias(data))
        case DeploymentState.CONVERGING | DeploymentState.ROLLING, "failed":
            return TransitionStep(
                DeploymentState.FAILED, data={**_recorded(data, event), "message": event.data["message"]}
            )
        case DeploymentState.CONVERGING, "timeout":
            message = f"not ready after {CONVERGE_TIMEOUT_S:.0f} s"
            return TransitionStep(DeploymentState.FAILED, data={**data, "message": message})
        case before, "superseded" if before in SUPERSEDABLE:
            return TransitionStep(DeploymentState.SUPERSEDED)
        case _:
            raise IllegalTransitionError(f"a {state} deployment cannot take '{event.name}'")


def _recorded(data: Mapping[str, Any], event: ProcessEvent) -> Mapping[str, Any]:
    record = event.data.get("record")
    return {**data, "record": record} if record else data


def _alias(data: Mapping[str, Any]) -> tuple[Effect, ...]:
    """MLflow's alias of the environment, but for a challenger, which does not serve it."""
    if data.get("strategy", {}).get("kind") == RolloutStrategy.CHALLENGER:
        return ()
    model, release, environment = data["model"], data["release"], data["environment"]
    message = {"model": model, "release": release, "alias": environment}
    return (Effect("mlflow-alias", f"mlflow-alias/{environment}/{data['deployment_id']}", message),)
