"""Rollouts as the API tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from falaj.schemas import states


@dataclass(frozen=True)
class Rollout:
    """How a candidate is doing beside the stable release at one location.

    `weight` is the candidate's share in 1/10,000, `mirror` the share of requests that it gets a copy of. `metrics` hold
    log10 of the evidence of a regression (`harm` against `harm_line`) and of being good enough (`safe` against
    `safe_line`).
    `notes` say what limits the judgement, and what is not promised. `allowed` says what can be asked of it now.
    """

    id: str
    change: str
    endpoint: str
    location: str
    strategy: states.RolloutStrategy
    candidate: int
    stable: int
    state: states.RolloutState | states.DeploymentState
    step: int
    weight: int
    mirror: float
    since: float | None
    reason: str
    culprits: list[str]
    requests: dict[str, int]
    harm: float
    harm_line: float | None
    metrics: list[dict[str, Any]]
    notes: list[str]
    allowed: list[states.RolloutCommand]
    plan: dict[str, Any]
    trajectory: list[dict[str, Any]]


def rollout_of(rollout_view: Any) -> Rollout:
    """The document of what the control plane knows of a rollout (`release.changes.Steering`)."""
    data, report = rollout_view.process.data, rollout_view.report
    plan = report.get("plan") or data["plan"]
    return Rollout(
        id=rollout_view.process.id, change=rollout_view.change.id, endpoint=rollout_view.endpoint,
        location=data["location"],
        strategy=data["strategy"]["kind"], candidate=data["release"], stable=plan["stable"],
        state=_state(rollout_view.process.state, report), step=report.get("step", 0), weight=report.get("weight", 0),
        mirror=report.get("mirror", 0.0), since=report.get("since"), reason=_reason(data, report),
        culprits=list(report.get("culprits", ())), requests=dict(report.get("requests", {})),
        harm=report.get("harm") or 0.0, harm_line=report.get("harm_line"), metrics=list(report.get("metrics", ())),
        notes=list(report.get("notes", ())), allowed=list(report.get("allowed", ())), plan=dict(plan),
        trajectory=list(report.get("trajectory", ())),
    )  # fmt: skip


def _state(deployment: str, report: Mapping[str, Any]) -> states.RolloutState | states.DeploymentState:
    """Before its location has said anything, and when it was never heard, the deployment's own state tells more."""
    return cast("states.RolloutState | states.DeploymentState", str(report["state"]) if report else deployment)


def _reason(data: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    return str(report.get("reason") or data.get("message") or "")
