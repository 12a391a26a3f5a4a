"""What agents report of their endpoints, and what follows: deployments become live or failed, challenges end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from falaj.control.releases.deployment_record import deployment_of
from falaj.control.releases.endpoints import MOVING, challenges, deployments, next_version, subject
from falaj.control.releases.lifecycle import DeploymentState
from falaj.control.releases.registry import CONTROLLER
from falaj.control.releases.regression_gates import to_keep
from falaj.control.releases.undeploy import take_back
from falaj.statistics.rollout import RolloutStrategy
from falaj.storage import EndpointRow, EventRow, ProcessRow
from falaj.storage.durable import Outbox, ProcessEvent, ProcessTable
from falaj.trust import audit, lineage


def observe(
    session: Session,
    table: ProcessTable,
    location: str,
    endpoints: Sequence[Mapping[str, Any]],
    now: float,
    *,
    reporter: str = "",
) -> list[str]:
    """Take what an agent reports of its endpoints; deployments become live or failed by it.

    Args:
        session: The caller's transaction.
        table: The process table.
        location: Whose endpoints.
        endpoints: What is said of each.
        now: Unix seconds.
        reporter: Principal id of who says so; by default the agent of the location.

    Returns:
        Ids of the changes that a deployment ended of.
    """
    settled: list[str] = []
    for report in endpoints:
        environment, _, model = report["endpoint"].partition("/")
        row = session.get(EndpointRow, (location, environment, model))
        if row is None or row.plan.get("withdrawn"):
            continue
        row.status, row.updated_at = _without_rows(report), now
        for rollout_report in report.get("rollouts", ()):
            if rollout_report.get("captured"):
                Outbox.add(session, to_keep(row, rollout_report), now)
            if rollout_report.get("strategy") == RolloutStrategy.CHALLENGER:
                settled += _settle_challenge(session, table, row, rollout_report, now)
        if report["release"] == row.release and (event := _event(row, report)):
            settled += _settle(session, table, row, event, now, reporter or f"workload:agent/{location}")
    return settled


def _without_rows(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is remembered of a report: the failing rows of a rollout go their own way."""
    rollout_reports = [_without_capture(each) for each in report.get("rollouts", ())]
    return {**report, "rollouts": rollout_reports} if rollout_reports else dict(report)


def _without_capture(rollout_report: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rollout_report.items() if key != "captured"}


def _event(row: EndpointRow, report: Mapping[str, Any]) -> ProcessEvent | None:
    """What a report means for the deployment of the endpoint's release."""
    if report["state"] not in ("ready", "failed", "rolling"):
        return None
    rollout_id = (row.plan.get("rollout") or {}).get("plan", {}).get("id")
    record = next((each for each in report.get("rollouts", ()) if each.get("id") == rollout_id), None)
    if rollout_id and record is None and report["state"] != "failed":
        return None  # the report is older than the rollout
    details = {"record": _without_capture(record)} if record else {}
    return ProcessEvent(report["state"], {"message": report.get("message", ""), **details})


def _settle(
    session: Session, table: ProcessTable, row: EndpointRow, event: ProcessEvent, now: float, reporter: str
) -> Iterator[str]:
    for process in deployments(session, row.model, row.environment, row.location):
        if process.state not in MOVING or deployment_of(process).release != row.release or challenges(process):
            continue
        if event.name == "rolling" and process.state == DeploymentState.ROLLING:
            continue
        table.send(session, process.id, event, now)
        kind = {"ready": "deployment.live", "failed": "deployment.failed"}.get(event.name, "deployment.rolling")
        data = {"release": row.release, "location": row.location, "message": event.data["message"]}
        session.add(EventRow(at=now, subject=subject(row), kind=kind, data=data))
        audit.write(session, kind, reporter, subject(row), now, data)
        if event.name == "rolling":
            continue
        if event.name == "ready":
            _arrived(session, row, process, now)
        else:
            take_back(session, row, event.data["message"], now)
        yield deployment_of(process).concludes


def _settle_challenge(
    session: Session, table: ProcessTable, row: EndpointRow, rollout_report: Mapping[str, Any], now: float
) -> Iterator[str]:
    """A challenger is live once it gets copies, and goes when its comparison has ended."""
    process = session.get(ProcessRow, rollout_report["id"])
    if process is None:
        return
    record = _without_capture(rollout_report)
    ended = rollout_report["state"] in ("rolled_back", "aborted")
    if process.state == DeploymentState.CONVERGING and (ended or rollout_report["state"] == "shadowing"):
        message = f"{rollout_report['state']}: {rollout_report['reason']}"
        event = ProcessEvent(
            "failed" if ended else "ready", {"message": message, **({"record": record} if ended else {})}
        )
        table.send(session, process.id, event, now)
        yield deployment_of(process).concludes
    if ended and any(each["rollout"]["plan"]["id"] == process.id for each in row.plan.get("challengers", ())):
        process.data = {**process.data, "record": record}
        remaining = [each for each in row.plan["challengers"] if each["rollout"]["plan"]["id"] != process.id]
        row.plan, row.version = {**row.plan, "challengers": remaining}, next_version(session, row.location)
        details = {"location": row.location, "release": rollout_report["candidate"], "reason": rollout_report["reason"]}
        audit.write(session, "endpoint.challenge-ended", CONTROLLER, subject(row), now, details)
        yield deployment_of(process).concludes


def _arrived(session: Session, row: EndpointRow, process: ProcessRow, now: float) -> None:
    """The release is what the endpoint serves; its rollout, if there was one, is over."""
    if row.plan.get("rollout"):
        row.plan = {key: value for key, value in row.plan.items() if key != "rollout"}
        row.version = next_version(session, row.location)
    served = (row.environment, row.model, row.location, row.release, deployment_of(process).concludes, now)
    lineage.began(session, lineage.Served(*served))
