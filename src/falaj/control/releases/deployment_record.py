"""What the process of a deployment holds, read once: rooms that ask about a deployment get this record."""

from __future__ import annotations

from typing import Any

import msgspec

from falaj.statistics.rollout import RolloutStrategy
from falaj.storage import ProcessRow
from falaj.storage.durable import Lease


class DeploymentStrategy(msgspec.Struct, frozen=True):
    """How the release of a deployment comes in.

    Attributes:
        kind: A `RolloutStrategy`.
        options: Of the strategy; see `rollout.plan_of`.
    """

    kind: str = RolloutStrategy.RECREATE
    options: dict[str, Any] = {}


class Deployment(msgspec.Struct, frozen=True):
    """One release that comes to one endpoint at one location.

    Attributes:
        model: The model.
        release: Number of the release.
        environment: Where it goes.
        location: Where in the environment.
        concludes: Id of the change that its end concludes.
        strategy: How it comes in.
        message: Why it failed; empty while it did not.
    """

    model: str
    release: int
    environment: str
    location: str
    concludes: str = ""
    strategy: DeploymentStrategy = DeploymentStrategy()
    message: str = ""

    @property
    def endpoint(self) -> str:
        """`environment/model`."""
        return f"{self.environment}/{self.model}"


def deployment_of(process: ProcessRow | Lease) -> Deployment:
    """The deployment that a process carries out."""
    return msgspec.convert(process.data, Deployment)
