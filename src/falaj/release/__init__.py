"""Releases and their way into endpoints: publishing a run's candidate, deployments, and what agents report of them.

A release comes into an environment by a change (`release.changes`), and by nothing else.
"""

from falaj.release.registry import (
    WORKER,
    Candidate,
    Grant,
    deploy,
    endpoints_of,
    evidence_of,
    find,
    live,
    observe,
    point_endpoint,
    publish,
)
from falaj.release.states import ReleaseState

__all__ = [
    "WORKER",
    "Candidate",
    "Grant",
    "ReleaseState",
    "deploy",
    "endpoints_of",
    "evidence_of",
    "find",
    "live",
    "observe",
    "point_endpoint",
    "publish",
]
