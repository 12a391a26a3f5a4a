"""How a release leaves an endpoint: it gives way to the one before, or it may not be there any more."""

from __future__ import annotations

from sqlalchemy.orm import Session

from falaj.control.releases.endpoints import challengers_part, next_version, served_part, subject
from falaj.control.releases.registry import CONTROLLER
from falaj.storage import EndpointRow
from falaj.trust import lineage
from falaj.trust.audit import record


def take_back(session: Session, row: EndpointRow, reason: str, now: float) -> None:
    """Let an endpoint serve again what it served before; does nothing where there was nothing before."""
    before = row.plan.get("before")
    if not before:
        return
    failed = row.release
    row.release, row.previous = before["release"], failed
    row.plan = {**served_part(before), **challengers_part(row), "before": None}
    row.version, row.updated_at = next_version(session, row.location), now
    details = {"location": row.location, "release": row.release, "instead_of": failed, "reason": reason}
    record.write(session, "endpoint.taken-back", CONTROLLER, subject(row), now, details)


def withdraw(session: Session, row: EndpointRow, reason: str, now: float) -> None:
    """Take an endpoint away: its location stops serving it as soon as it hears of that, within seconds.

    The row stays, so that the version of the location's desired state never goes back.
    """
    row.plan = {**row.plan, "withdrawn": reason}
    row.status = {"release": row.release, "state": "withdrawn", "message": reason}
    row.version, row.updated_at = next_version(session, row.location), now
    details = {"location": row.location, "release": row.release, "reason": reason}
    record.write(session, "endpoint.withdrawn", CONTROLLER, subject(row), now, details)
    lineage.ended(session, row.environment, row.model, row.location, now)


def forget(session: Session, row: EndpointRow, number: int, reason: str, now: float) -> None:
    """Drop a release that an endpoint runs beside the one it serves, or would go back to.

    Where that is the stable release of a rollout, the candidate goes on alone: it was admitted, the other is forbidden.
    """
    plan = {**row.plan, "challengers": [each for each in row.plan.get("challengers", ()) if each["release"] != number]}
    if (plan.get("before") or {}).get("release") == number:
        plan |= {"before": None}
        plan.pop("rollout", None)
    if plan == {"challengers": [], **row.plan}:
        return
    row.plan, row.version, row.updated_at = plan, next_version(session, row.location), now
    details = {"location": row.location, "release": number, "serves": row.release, "reason": reason}
    record.write(session, "endpoint.forgot", CONTROLLER, subject(row), now, details)
