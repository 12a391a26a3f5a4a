"""Releases and their way into endpoints: publishing a run's candidate, deployments, and what agents report of them.

A release comes into an environment by a change (`release.changes`), and by nothing else.
"""

from falaj.control.releases.agent_reports import observe
from falaj.control.releases.endpoints import (
    DeploymentPermit,
    EndpointArm,
    arms_of,
    deploy,
    endpoints_of,
    live,
    rollouts_of,
    set_desired_release,
)
from falaj.control.releases.owners import ForeignModelError, move_model, owned_by, owner_of, owners_of, require_owner
from falaj.control.releases.registry import WORKER, Candidate, evidence_of, find, publish
from falaj.control.releases.states import ReleaseState

__all__ = [
    "WORKER",
    "Candidate",
    "DeploymentPermit",
    "EndpointArm",
    "ForeignModelError",
    "ReleaseState",
    "arms_of",
    "deploy",
    "endpoints_of",
    "evidence_of",
    "find",
    "live",
    "move_model",
    "observe",
    "owned_by",
    "owner_of",
    "owners_of",
    "publish",
    "require_owner",
    "rollouts_of",
    "set_desired_release",
]
