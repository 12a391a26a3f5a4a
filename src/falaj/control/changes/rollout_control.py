"""Rollouts as the control plane knows them: how they are doing, and what people ask of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.control.changes.assessment import facts_of
from falaj.control.changes.context import ChangeContext
from falaj.control.changes.request import context, resource_of
from falaj.control.releases.deployment_record import deployment_of
from falaj.control.releases.endpoints import next_version, rollouts_of
from falaj.control.releases.lifecycle import DeploymentState
from falaj.core.errors import ConflictError, NotFoundError
from falaj.core.principal import Principal
from falaj.statistics.rollout import Command, RolloutState, RolloutStrategy, allowed
from falaj.storage import EndpointRow, ProcessRow
from falaj.storage.change_tables import ChangeRow
from falaj.trust.policy import Action, require

OVERRIDES = frozenset({Command.PROMOTE, Command.SKIP})
"""What spares a candidate the evidence."""


def unknown_rollout(rollout_id: str) -> NotFoundError:
    """What is said of an id that no rollout has."""
    return NotFoundError(f"no rollout '{rollout_id}'", hint="falaj rollout list shows them", code="rollout.unknown")


@dataclass(frozen=True)
class Steering:
    """One rollout and what is known of it.

    Args:
        process: Its deployment.
        change: What it is part of.
        report: What its location said last, and in the end what was signed; empty before anything was said.
    """

    process: ProcessRow
    change: ChangeRow
    report: Mapping[str, Any]

    @property
    def endpoint(self) -> str:
        """`environment/model`."""
        return deployment_of(self.process).endpoint

    @property
    def state(self) -> RolloutState:
        """As its location said last."""
        return RolloutState(self.report.get("state", RolloutState.PENDING))


def rollouts(
    session: Session, endpoint: str | None = None, limit: int = 50, projects: Collection[str] | None = None
) -> list[Steering]:
    """The newest rollouts first.

    Args:
        session: The caller's transaction.
        endpoint: Of this endpoint only, `environment/model`.
        limit: How many at most.
        projects: Of these only; None for all.
    """
    processes = session.scalars(deployments().order_by(ProcessRow.created_at.desc(), ProcessRow.id.desc()))
    mine = (each for process in processes for each in chosen_rollouts(session, [process], endpoint, projects))
    return list(islice(mine, limit))


def deployments() -> Select[ProcessRow]:
    """All deployments, in no order; those that are compared with another release are rollouts."""
    return select(ProcessRow).where(ProcessRow.kind == "deployment")


def chosen_rollouts(
    session: Session, processes: Sequence[ProcessRow], endpoint: str | None, projects: Collection[str] | None
) -> list[Steering]:
    """Those of some deployments that are rollouts of an endpoint and of projects, in the same order; None for all."""
    candidates = [each for each in processes if _judges(each) and endpoint in (None, deployment_of(each).endpoint)]
    concluded = {deployment_of(each).concludes for each in candidates}
    query = select(ChangeRow).where(ChangeRow.id.in_(concluded))
    changes = session.scalars(query).all()  # at once: the session has them when each is asked for below
    steerings = [_require_steering(session, process) for process in candidates] if changes else []
    return [each for each in steerings if projects is None or each.change.project in projects]


def find_rollout(session: Session, rollout_id: str) -> Steering:
    """A rollout by its id, or the newest one of an endpoint.

    Raises:
        NotFoundError: There is none (`rollout.unknown`).
    """
    if "/" in rollout_id:
        newest = rollouts(session, rollout_id, 1)
        if newest:
            return newest[0]
    process = session.get(ProcessRow, rollout_id)
    if process is None or process.kind != "deployment" or not _judges(process):
        raise unknown_rollout(rollout_id)
    return _require_steering(session, process)


def steer(turn: ChangeContext, principal: Principal, rollout_id: str, command: Command, reason: str) -> Steering:
    """Ask something of a rollout; its location does it within a second, or when it is heard of again.

    Raises:
        NotFoundError: There is none.
        ConflictError: It cannot be asked for now (`rollout.state`).
        ForbiddenError: Policy does not permit it.
    """
    steering = find_rollout(turn.session, rollout_id)
    action = Action.OVERRIDE_ROLLOUT if command in OVERRIDES else Action.STEER_ROLLOUT
    facts = facts_of(turn, steering.change, renewal=True)
    require(turn.session, principal, action, resource_of(steering.change), context(turn, facts))
    data = steering.process.data
    row = turn.session.get_one(
        EndpointRow, (data["location"], data["environment"], data["model"]), with_for_update=True
    )
    is_planned = any(rollout_entry["plan"]["id"] == steering.process.id for rollout_entry in rollouts_of(row))
    _require_possible(steering, command, is_planned)
    command_entry = {"command": str(command), "by": principal.id, "reason": reason}
    row.plan = _with_wish(row.plan, steering.process.id, command_entry)
    row.version = next_version(turn.session, row.location)
    turn.tell(steering.change, f"rollout.{command}", principal.id, {"rollout": steering.process.id, "reason": reason})
    return steering


def _judges(process: ProcessRow) -> bool:
    return process.data.get("plan") is not None


def _require_steering(session: Session, process: ProcessRow) -> Steering:
    change = session.get_one(ChangeRow, deployment_of(process).concludes)
    report = process.data.get("record") or {**_applied(session, process), **_ended_early(process, change)}
    return Steering(process, change, report)


def _ended_early(process: ProcessRow, change: ChangeRow) -> Mapping[str, str]:
    """How a rollout ended that its location never judged to its end; empty while it lasts."""
    match process.state:
        case DeploymentState.SUPERSEDED:
            return {
                "state": RolloutState.ABORTED,
                "reason": change.data.get("ended_because") or "another release came in",
            }
        case DeploymentState.FAILED:
            return {"state": RolloutState.ABORTED, "reason": deployment_of(process).message}
        case DeploymentState.LIVE if deployment_of(process).strategy.kind != RolloutStrategy.CHALLENGER:
            return {"state": RolloutState.SUCCEEDED, "reason": "the release that it was compared with was revoked"}
    return {}


def _applied(session: Session, process: ProcessRow) -> Mapping[str, Any]:
    data = process.data
    row = session.get(EndpointRow, (data["location"], data["environment"], data["model"]))
    rollout_statuses: Iterator[Mapping[str, Any]] = iter(row.status.get("rollouts") or () if row else ())
    return next((each for each in rollout_statuses if each.get("id") == process.id), {})


def _with_wish(plan: Mapping[str, Any], rollout_id: str, command_entry: Mapping[str, str]) -> dict[str, Any]:
    def with_asked(rollout_entry: Mapping[str, Any]) -> Mapping[str, Any]:
        return (
            {**rollout_entry, "asked": [*rollout_entry["asked"], command_entry]}
            if rollout_entry["plan"]["id"] == rollout_id
            else rollout_entry
        )

    challengers = [{**each, "rollout": with_asked(each["rollout"])} for each in plan.get("challengers", ())]
    changed = {"rollout": with_asked(plan["rollout"])} if plan.get("rollout") else {}
    return {**plan, **changed, **({"challengers": challengers} if challengers else {})}


def _require_possible(steering: Steering, command: Command, is_planned: bool) -> None:
    strategy = RolloutStrategy(deployment_of(steering.process).strategy.kind)
    possible = allowed(steering.state, strategy) if is_planned else frozenset[Command]()
    if command not in possible:
        can = ", ".join(sorted(possible)) or "nothing more"
        raise ConflictError(
            f"rollout {steering.process.id} is {steering.state} and cannot be asked to {command}",
            hint=f"it can be asked to: {can}",
            code="rollout.state",
        )
