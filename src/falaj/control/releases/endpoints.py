"""Endpoints: what each must serve, and how a deployment brings a release in.

The plan of an endpoint says everything that its location needs: the release with its change, and while it rolls out,
the plan of the rollout. `before` is what the endpoint served before and goes back to when the deployment fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.releases.deployment_record import deployment_of
from falaj.control.releases.lifecycle import DeploymentState
from falaj.control.releases.registry import CONTROLLER
from falaj.core.ids import new_id
from falaj.statistics.rollout import RolloutStrategy, plan_of
from falaj.storage import EndpointRow, ProcessRow, ReleaseRow
from falaj.storage.durable import ProcessEvent, ProcessTable
from falaj.trust import settings
from falaj.trust.audit import record

_OURS = ("before", "rollout", "challengers", "withdrawn")
"""Keys of a plan that are about the endpoint and not about the release that it serves."""


@dataclass(frozen=True)
class DeploymentPermit:
    """By what a release may be deployed, and how.

    Args:
        change: Id of the change whose admission the location is shown.
        concludes: Id of the change that ends with the deployment; another one when it is a rollback.
        strategy: Name of the strategy; `recreate` where there is nothing to compare with.
        options: Of the strategy; see `rollout.plan_of`.
    """

    change: str
    concludes: str
    strategy: str = RolloutStrategy.RECREATE
    options: Mapping[str, Any] | None = None


def deploy(
    session: Session,
    table: ProcessTable,
    release: ReleaseRow,
    endpoint: tuple[str, str],
    grant: DeploymentPermit,
    now: float,
    *,
    waits: bool = False,
) -> str:
    """Start the deployment of a release into an endpoint; an unfinished one of the same endpoint is superseded.

    Args:
        session: The caller's transaction.
        table: The process table.
        release: What is to serve.
        endpoint: Environment and location.
        grant: By what it may.
        now: Unix seconds.
        waits: It begins when another location is done.

    Returns:
        Id of the deployment.
    """
    environment, location = endpoint
    if grant.strategy != RolloutStrategy.CHALLENGER:
        for older in deployments(session, release.model, environment, location):
            if not challenges(older):
                table.send(session, older.id, ProcessEvent("superseded"), now)
    deployment_id = new_id(now)
    data = {
        "deployment_id": deployment_id, "model": release.model, "release": release.number,
        "environment": environment, "location": location, "digest": release.digest,
        "change": grant.change, "concludes": grant.concludes,
        "strategy": {"kind": str(grant.strategy), "options": dict(grant.options or {})},
    }  # fmt: skip
    state = DeploymentState.WAITING if waits else DeploymentState.PENDING
    table.start(session, "deployment", deployment_id, state, data, now, due=not waits)
    return deployment_id


def set_desired_release(session: Session, data: Mapping[str, Any], now: float) -> Mapping[str, Any] | None:
    """Make a deployment's release what its endpoint must serve; agents see a new version of their desired state.

    Returns:
        The plan of its rollout; None when the release takes over at once.
    """
    location = data["location"]
    version = next_version(session, location)
    key = (location, data["environment"], data["model"])
    release = session.get_one(ReleaseRow, (data["model"], data["release"]), with_for_update=True)
    row = session.get(EndpointRow, key)
    before = _before(row, release)
    if data.get("strategy", {}).get("kind") == RolloutStrategy.CHALLENGER:
        return _challenge(session, row, release, data, now)
    if row is None:
        row = EndpointRow(location=location, environment=data["environment"], model=data["model"], status={}, plan={})
        session.add(row)
    elif row.release != release.number:
        row.previous = row.release
    served = {"digest": release.digest, "change": data["change"], **release.data.get("serving", {})}
    row.release, row.version, row.updated_at = release.number, version, now
    plan = _rollout(data, before, _capture(session, location))
    row.plan = {
        **served,
        **challengers_part(row),
        "before": before,
        **({"rollout": {"plan": plan, "asked": []}} if plan else {}),
    }
    details = {"location": location, "release": release.number, "digest": release.digest, "change": data["change"]}
    record.write(session, "endpoint.pointed", CONTROLLER, subject(row), now, {**details, "previous": row.previous})
    return plan


def _challenge(
    session: Session, row: EndpointRow | None, release: ReleaseRow, data: Mapping[str, Any], now: float
) -> Mapping[str, Any] | None:
    """Run a release beside what an endpoint serves, for comparison; another challenge by it is replaced."""
    if row is None or row.plan.get("withdrawn"):
        return None  # what it was to challenge is gone; its deployment fails when its time is up
    strategy = data["strategy"]
    options = {**strategy["options"], "capture": _capture(session, row.location)}
    plan = plan_of(data["deployment_id"], strategy["kind"], options, release.number, row.release).to_json()
    entry = {"release": release.number, "digest": release.digest, "change": data["change"],
             **release.data.get("serving", {}), "rollout": {"plan": plan, "asked": []}}  # fmt: skip
    others = [each for each in row.plan.get("challengers", ()) if each["release"] != release.number]
    row.plan = {**row.plan, "challengers": [*others, entry]}
    row.version, row.updated_at = next_version(session, row.location), now
    details = {"location": row.location, "release": release.number, "champion": row.release, "change": data["change"]}
    record.write(session, "endpoint.challenged", CONTROLLER, subject(row), now, details)
    return plan


def _before(row: EndpointRow | None, release: ReleaseRow) -> Mapping[str, Any] | None:
    """What the endpoint serves now, if that may come back: a candidate that did not get through is not it."""
    if row is None or row.plan.get("withdrawn"):
        return None
    proven = row.status.get("state") == "ready" and row.status.get("release") == row.release
    if row.plan.get("rollout") or row.release == release.number or not proven:
        previous_plan: Mapping[str, Any] | None = row.plan.get("before")
        return previous_plan if previous_plan and previous_plan["release"] != release.number else None
    return {"release": row.release, **served_part(row.plan)}


def _capture(session: Session, location: str) -> str:
    """Whether rows on which a candidate fails may come from a location: only from under the platform's own law.

    The installation is where the platform's own entity is, or else where the location `local` is.
    """
    spec = settings.current(session)
    there, own = spec.locations.get(location), spec.locations.get("local")
    home = spec.entity.get("jurisdiction") or (own.jurisdiction if own else None)
    return "rows" if there is None or home is None or there.jurisdiction == home else "summary"


def _rollout(data: Mapping[str, Any], before: Mapping[str, Any] | None, capture: str) -> Mapping[str, Any] | None:
    strategy = data.get("strategy") or {"kind": RolloutStrategy.RECREATE}
    if before is None or strategy["kind"] == RolloutStrategy.RECREATE:
        return None
    plan = plan_of(
        data["deployment_id"],
        strategy["kind"],
        {**strategy["options"], "capture": capture},
        candidate=data["release"],
        stable=before["release"],
    )
    return plan.to_json()


@dataclass(frozen=True)
class EndpointArm:
    """One release that an endpoint runs.

    Args:
        release: Its number.
        role: `primary`, `stable` while the primary one rolls out, or `challenger`.
        plan: What its location needs for it: digest, change, and how it is served.
    """

    release: int
    role: str
    plan: Mapping[str, Any]


def arms_of(row: EndpointRow) -> list[EndpointArm]:
    """The releases that an endpoint runs: what it serves, what it goes back to, and what is compared with them."""
    arms = [EndpointArm(row.release, "primary", served_part(row.plan))]
    before = row.plan.get("before")
    if row.plan.get("rollout") and before:
        arms.append(EndpointArm(before["release"], "stable", served_part(before)))
    return arms + [
        EndpointArm(each["release"], "challenger", served_part(each)) for each in row.plan.get("challengers", ())
    ]


def served_part(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a plan that is about the release: digest, change, and how it is served."""
    return {key: value for key, value in plan.items() if key not in (*_OURS, "release")}


def challengers_part(row: EndpointRow) -> Mapping[str, Any]:
    """What of a plan stays when the endpoint serves another release."""
    return {"challengers": row.plan["challengers"]} if row.plan.get("challengers") else {}


def rollouts_of(row: EndpointRow) -> list[Mapping[str, Any]]:
    """The rollouts of an endpoint as agents are told: plan and what people asked for."""
    own = [row.plan["rollout"]] if row.plan.get("rollout") else []
    return own + [each["rollout"] for each in row.plan.get("challengers", ())]


def next_version(session: Session, location: str) -> int:
    """The version that the desired state of a location has after its next change."""
    rows = session.scalars(select(EndpointRow).where(EndpointRow.location == location))
    return max((row.version for row in rows), default=0) + 1


def endpoints_of(session: Session, model: str, environment: str | None = None) -> list[EndpointRow]:
    """The endpoints that serve a model, in all environments or in one."""
    query = select(EndpointRow).where(EndpointRow.model == model)
    if environment is not None:
        query = query.where(EndpointRow.environment == environment)
    rows = session.scalars(query.order_by(EndpointRow.environment, EndpointRow.location))
    return [row for row in rows if not row.plan.get("withdrawn")]


def challenges(process: ProcessRow) -> bool:
    """Whether a deployment brings a challenger."""
    return deployment_of(process).strategy.kind == RolloutStrategy.CHALLENGER


def subject(row: EndpointRow) -> str:
    """An endpoint as the audit log names it."""
    return subject_of(row.environment, row.model)


def subject_of(environment: str, model: str) -> str:
    """The same, of its names."""
    return f"endpoint/{environment}/{model}"


MOVING = (DeploymentState.CONVERGING, DeploymentState.ROLLING)


def deployments(session: Session, model: str, environment: str, location: str) -> list[ProcessRow]:
    """The deployments of an endpoint that are under way or live."""
    active = (*MOVING, DeploymentState.WAITING, DeploymentState.PENDING, DeploymentState.LIVE)
    rows = session.scalars(select(ProcessRow).where(ProcessRow.kind == "deployment", ProcessRow.state.in_(active)))
    records = [(row, deployment_of(row)) for row in rows]
    return [
        row for row, record in records if (record.endpoint, record.location) == (f"{environment}/{model}", location)
    ]


def live(session: Session, model: str) -> ReleaseRow | None:
    """The release that serves on the highest environment where the model is live, or None."""
    rows = endpoints_of(session, model)
    serving = {row.environment: row for row in rows if row.status.get("state") == "ready"}
    for environment in reversed(settings.current(session).ordered_environments):
        if environment.name in serving:
            return session.get(ReleaseRow, (model, serving[environment.name].status["release"]))
    return None
