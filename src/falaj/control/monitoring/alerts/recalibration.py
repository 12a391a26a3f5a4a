"""The alert that an offset has reached its bound: labels ask for more than answers may be moved by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.monitoring.alerts.lifecycle import CONTROLLER, OPEN, RECALIBRATION_BOUND, RESOLVED, close_alert, tell
from falaj.control.monitoring.alerts.windows import MonitoredEndpoint
from falaj.core.ids import new_id
from falaj.storage import ReleaseRow
from falaj.storage.monitoring_tables import AlertRow
from falaj.trust.audit import record


def follow_recalibrations(
    session: Session, place: MonitoredEndpoint, reports: Sequence[Mapping[str, Any]], now: float
) -> None:
    """Open an alert for each release whose offset is at its bound, and end those whose offset is not.

    Args:
        session: The caller's transaction.
        place: The endpoint.
        reports: What its agent tells of the recalibration of its releases.
        now: Unix seconds.
    """
    at_bound = {report["release"]: report for report in reports if report["limit"] == "bound" and not report["reason"]}
    open_alerts = {alert.release: alert for alert in _open_alerts(session, place)} if reports else {}
    for release, report in at_bound.items():
        if release in open_alerts:
            open_alerts[release].data = {**open_alerts[release].data, "reasons": _reasons(report)}
        else:
            _opened(session, place, report, now)
    for release, alert in open_alerts.items():
        if release not in at_bound:
            close_alert(session, alert, "the offset is within its bound", now)


def _open_alerts(session: Session, place: MonitoredEndpoint) -> Sequence[AlertRow]:
    query = select(AlertRow).where(
        AlertRow.location == place.location, AlertRow.environment == place.environment,
        AlertRow.model == place.model, AlertRow.cause == RECALIBRATION_BOUND, AlertRow.state != RESOLVED,
    )  # fmt: skip
    return session.scalars(query.with_for_update()).all()


def _opened(session: Session, place: MonitoredEndpoint, report: Mapping[str, Any], now: float) -> None:
    release = session.get(ReleaseRow, (place.model, report["release"]))
    if release is None:
        return
    alert = AlertRow(
        id=new_id(now), project=release.project, location=place.location, environment=place.environment,
        model=place.model, release=release.number, state=OPEN, cause=RECALIBRATION_BOUND, severity="warning",
        opened_at=now, updated_at=now, resolved_at=None, muted_until=None,
        data={"fired": ["recalibration"], "reasons": _reasons(report), "since": report["fitted_at"]},
    )  # fmt: skip
    session.add(alert)
    details = {"release": alert.release, "location": place.location, "fired": ["recalibration"], "cause": alert.cause}
    record.write(session, "alert.opened", CONTROLLER, f"alert/{alert.id}", now, {**details, "endpoint": place.subject})
    tell(session, alert, "alert.opened", now)


def _reasons(report: Mapping[str, Any]) -> list[str]:
    label_offset = report["strength"] * report["proposed"]
    return [
        f"labels ask for an offset of {label_offset:+.3g} and {report['bound']:.3g} is the bound either way: "
        "the model is further from its labels than recalibration is for; train it again or look for a fault"
    ]
