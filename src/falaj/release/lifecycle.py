"""The life of a deployment as a pure transition: one release moving into one endpoint.

pending ──start──> converging ──ready──> live
   │                   ├──failed──> failed
   │                   └──timeout──> failed
   └────── superseded (a later deployment of the endpoint) ──> superseded
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from falaj.processes.transition import Effect, Event, IllegalTransitionError, Step

CONVERGE_TIMEOUT_S = 300.0


class DeploymentState(StrEnum):
    """Where a deployment is."""

    PENDING = "pending"
    CONVERGING = "converging"
    LIVE = "live"
    FAILED = "failed"
    SUPERSEDED = "superseded"


EVENTS = ("start", "ready", "failed", "timeout", "superseded")


def transition(state: str, data: Mapping[str, Any], event: Event, now: float) -> Step:
    """Decide what an event does to a deployment.

    Args:
        state: A `DeploymentState`.
        data: `model`, `release`, `environment`, `location`, `digest`.
        event: `start`, `ready`, `failed` with `message`, `timeout` or `superseded`.
        now: Unix seconds.

    Raises:
        IllegalTransitionError: The event means nothing in this state.
    """
    match DeploymentState(state), event.name:
        case DeploymentState.PENDING, "start":
            return Step(DeploymentState.CONVERGING, wake_at=now + CONVERGE_TIMEOUT_S)
        case DeploymentState.CONVERGING, "ready":
            return Step(DeploymentState.LIVE, effects=_alias(data))
        case DeploymentState.CONVERGING, "failed":
            return Step(DeploymentState.FAILED, data={**data, "message": event.data["message"]})
        case DeploymentState.CONVERGING, "timeout":
            message = f"not ready after {CONVERGE_TIMEOUT_S:.0f} s"
            return Step(DeploymentState.FAILED, data={**data, "message": message})
        case DeploymentState.PENDING | DeploymentState.CONVERGING | DeploymentState.LIVE, "superseded":
            return Step(DeploymentState.SUPERSEDED)
        case _:
            raise IllegalTransitionError(f"a {state} deployment cannot take '{event.name}'")


def _alias(data: Mapping[str, Any]) -> tuple[Effect, ...]:
    model, release, environment = data["model"], data["release"], data["environment"]
    message = {"model": model, "release": release, "alias": environment}
    return (Effect("mlflow-alias", f"mlflow-alias/{environment}/{data['deployment_id']}", message),)
