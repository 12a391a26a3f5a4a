"""Rollouts as the control plane knows them: how they are doing, and what people ask of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.changes.findings import facts_of
from falaj.control.changes.requesting import context, resource_of
from falaj.control.changes.turn import Turn
from falaj.control.releases.endpoints import next_version, rollouts_of
from falaj.control.releases.lifecycle import DeploymentState
from falaj.core.errors import ConflictError, NotFoundError
from falaj.core.principal import Principal
from falaj.statistics.rollout import Command, RolloutState, Strategy, allowed
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
        return f"{self.process.data['environment']}/{self.process.data['model']}"

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
    query = select(ProcessRow).where(ProcessRow.kind == "deployment").order_by(ProcessRow.created_at.desc())
    found = (_known(session, process) for process in session.scalars(query) if _judges(process))
    of_projects = (each for each in found if projects is None or each.change.project in projects)
    mine = (each for each in of_projects if endpoint is None or each.endpoint == endpoint)
    return [each for _, each in zip(range(limit), mine, strict=False)]


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
    return _known(session, process)


def steer(turn: Turn, principal: Principal, rollout_id: str, command: Command, reason: str) -> Steering:
    """Ask something of a rollout; its location does it within a second, or when it is heard of again.

    Raises:
        NotFoundError: There is none.
        ConflictError: It cannot be asked for now (`rollout.state`).
        ForbiddenError: Policy does not permit it.
    """
    found = find_rollout(turn.session, rollout_id)
    action = Action.OVERRIDE_ROLLOUT if command in OVERRIDES else Action.STEER_ROLLOUT
    facts = facts_of(turn, found.change, renewal=True)
    require(turn.session, principal, action, resource_of(found.change), context(turn, facts))
    data = found.process.data
    row = turn.session.get_one(
        EndpointRow, (data["location"], data["environment"], data["model"]), with_for_update=True
    )
    wanted = any(wish["plan"]["id"] == found.process.id for wish in rollouts_of(row))
    _require_possible(found, command, wanted)
    asked = {"command": str(command), "by": principal.id, "reason": reason}
    row.plan = _with_wish(row.plan, found.process.id, asked)
    row.version = next_version(turn.session, row.location)
    turn.tell(found.change, f"rollout.{command}", principal.id, {"rollout": found.process.id, "reason": reason})
    return found


def _judges(process: ProcessRow) -> bool:
    return process.data.get("plan") is not None


def _known(session: Session, process: ProcessRow) -> Steering:
    change = session.get_one(ChangeRow, process.data["concludes"])
    report = process.data.get("record") or {**_told(session, process), **_ended_early(process, change)}
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
            return {"state": RolloutState.ABORTED, "reason": process.data["message"]}
        case DeploymentState.LIVE if process.data["strategy"]["kind"] != Strategy.CHALLENGER:
            return {"state": RolloutState.SUCCEEDED, "reason": "the release that it was compared with was revoked"}
    return {}


def _told(session: Session, process: ProcessRow) -> Mapping[str, Any]:
    data = process.data
    row = session.get(EndpointRow, (data["location"], data["environment"], data["model"]))
    told: Iterator[Mapping[str, Any]] = iter(row.status.get("rollouts") or () if row else ())
    return next((each for each in told if each.get("id") == process.id), {})


def _with_wish(plan: Mapping[str, Any], rollout_id: str, asked: Mapping[str, str]) -> dict[str, Any]:
    def with_asked(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**wish, "asked": [*wish["asked"], asked]} if wish["plan"]["id"] == rollout_id else wish

    challengers = [{**each, "rollout": with_asked(each["rollout"])} for each in plan.get("challengers", ())]
    changed = {"rollout": with_asked(plan["rollout"])} if plan.get("rollout") else {}
    return {**plan, **changed, **({"challengers": challengers} if challengers else {})}


def _require_possible(found: Steering, command: Command, wanted: bool) -> None:
    strategy = Strategy(found.process.data["strategy"]["kind"])
    possible = allowed(found.state, strategy) if wanted else frozenset[Command]()
    if command not in possible:
        can = ", ".join(sorted(possible)) or "nothing more"
        raise ConflictError(
            f"rollout {found.process.id} is {found.state} and cannot be asked to {command}",
            hint=f"it can be asked to: {can}",
            code="rollout.state",
        )
