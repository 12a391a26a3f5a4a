"""What a rollout found: the plan, how the weights moved, how the evidence grew, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.predicates import predicate_of
from falaj.supply_chain.attestations.statement import Statement, statement

ROLLOUT = "https://falaj.dev/evidence/rollout/v1"


@dataclass(frozen=True)
class RolloutRecord:
    """Says how a release did against the one before it, in real traffic; the subject is the model.

    Args:
        change: Id of the change that brought it.
        rollout: Id of the rollout.
        model: Name of the model line.
        release: Number of the candidate.
        stable: Number of the release that it was compared with.
        digest: Digest of the candidate's model artifact.
        environment: Where.
        location: Where in it.
        decision: `succeeded`, `rolled_back` or `aborted`.
        reason: Why, in words.
        culprits: Metrics that the harm was shown for.
        plan: What was to be done, and with which error bounds.
        trajectory: Points in time: unix seconds, state, weight, and the evidence by metric.
        requests: How many each side answered.
    """

    change: str
    rollout: str
    model: str
    release: int
    stable: int
    digest: str
    environment: str
    location: str
    decision: str
    reason: str
    culprits: tuple[str, ...]
    plan: Mapping[str, Any]
    trajectory: tuple[Mapping[str, Any], ...]
    requests: Mapping[str, int]

    @classmethod
    def of(cls, change: str, deployment: Mapping[str, Any], record: Mapping[str, Any]) -> RolloutRecord:
        """The record of a deployment, from what the location's agent reported.

        Args:
            change: Id of the change.
            deployment: Data of the deployment.
            record: See `locations.agent.rollouts`.
        """
        return cls(
            change=change, rollout=record["id"], model=deployment["model"], release=deployment["release"],
            stable=int(record["stable"]), digest=deployment["digest"], environment=deployment["environment"],
            location=deployment["location"], decision=record["state"], reason=str(record.get("reason", "")),
            culprits=tuple(record.get("culprits", ())), plan=record.get("plan", {}),
            trajectory=tuple(record.get("trajectory", ())), requests=record.get("requests", {}),
        )  # fmt: skip

    def statement(self) -> Statement:
        """Return the statement to sign."""
        return statement(ROLLOUT, [(self.model, self.digest)], predicate_of(self))
