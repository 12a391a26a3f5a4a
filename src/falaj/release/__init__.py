"""Releases and their way into endpoints: publishing a run's candidate, deployments, and what agents report of them.

Promotion between environments, changes and approvals build on this room later.
"""

from falaj.release.registry import Candidate, deploy, evidence_of, find, live, observe, point_endpoint, publish

__all__ = ["Candidate", "deploy", "evidence_of", "find", "live", "observe", "point_endpoint", "publish"]
