"""Monitors, drift, performance and alerts; and what agents counted."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api import authorization, monitoring_views
from falaj.api.authorization import Caller
from falaj.api.monitors import carry_out
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import ReasonBody, RequiredReasonBody
from falaj.api.route_actions import action
from falaj.control import releases
from falaj.control.monitoring import alerts
from falaj.control.monitoring.triage import Cause
from falaj.schemas import monitoring, states
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow, MonitorRow
from falaj.trust.policy import Action, Resource

router = APIRouter(prefix="/api/v1", tags=["monitoring"])
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Filter = Annotated[str | None, Query(max_length=200)]
Windows = Annotated[int, Query(ge=1, le=500, description="How many.")]
Before = Annotated[float | None, Query(ge=0, le=1e11, description="Those that ended before this moment.")]
_ALERTS = paged("-opened_at", {"opened_at": (AlertRow.opened_at, AlertRow.id)})
_MONITORS = paged("model", {"model": (MonitorRow.model, MonitorRow.environment, MonitorRow.location)})
_LAST_WINDOWS = "the last windows, 500 at most; `before` goes back"
logger = logging.getLogger(__name__)


class Counts(BaseModel):
    """What an agent counted of its prediction log."""

    model_config = ConfigDict(extra="ignore")
    blocks: Annotated[list[dict[str, Any]], Field(max_length=500)] = []
    losses: Annotated[list[dict[str, Any]], Field(max_length=5_000)] = []


class Mute(ReasonBody):
    """For how long."""

    for_s: Annotated[float, Field(gt=0, le=365 * 86_400)] = 86_400.0


class Overruling(RequiredReasonBody):
    """What it is instead, and why."""

    verdict: Literal["none", "covariate-shift", "unknown", "performance-loss", "concept-drift", "upstream-fault"]


@router.put("/locations/{location}/profiles", **action(Action.SERVE))
def profiles(location: str, counts: Counts, platform: Shared) -> dict[str, Any]:
    """Take what an agent counted; what is known already changes nothing."""
    with platform.database.transaction() as session:
        received = alerts.receive(session, location, counts.blocks, counts.losses, platform.now())
    for reason in received.refused[:5]:
        logger.warning("profiles of %s refused: %s", location, reason)
    return {"taken": received.accepted, "refused": list(received.refused)}


@router.get("/monitors", response_model=list[monitoring.Monitor], **action(Action.READ, refined=True))
def monitors(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_MONITORS)],
    environment: Filter = None,
    model: Filter = None,
    status: Filter = None,
) -> list[monitoring.Monitor]:
    """How the monitors of each endpoint stand, of the projects that the caller may read."""
    filters = {MonitorRow.environment: environment, MonitorRow.model: model, MonitorRow.status: status}
    query = matching(select(MonitorRow), filters)
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        if readable is not None:
            query = query.where(MonitorRow.model.in_(releases.owned_by(session, readable)))
        return monitoring_views.monitors(session, page.rows(session, query))


@router.get(
    "/models/{model}/drift", response_model=list[monitoring.DriftWindow],
    **action(Action.READ, refined=True, bounded=_LAST_WINDOWS),
)  # fmt: skip
def drift(
    model: str,
    platform: Shared,
    caller: Caller,
    environment: Name,
    windows: Windows = 30,
    before: Before = None,
) -> list[monitoring.DriftWindow]:
    """The last windows of a model in an environment, the earliest first."""
    with platform.database.reading() as session:
        _require_readable(platform, session, caller, model)
        return monitoring_views.windows(session, model, environment, windows, before)


@router.get(
    "/models/{model}/performance", response_model=list[monitoring.PerformanceWindow],
    **action(Action.READ, refined=True, bounded=_LAST_WINDOWS),
)  # fmt: skip
def performance(
    model: str,
    platform: Shared,
    caller: Caller,
    environment: Name,
    windows: Windows = 30,
    before: Before = None,
) -> list[monitoring.PerformanceWindow]:
    """The loss of the last windows of a model in an environment, with labels that have come since."""
    with platform.database.reading() as session:
        _require_readable(platform, session, caller, model)
        return monitoring_views.performance(session, model, environment, windows, before)


@router.get(
    "/models/{model}/recalibrations", response_model=list[monitoring.Recalibration],
    **action(Action.READ, refined=True, bounded="one a location that serves the model, and arm"),
)  # fmt: skip
def recalibrations(
    model: str, platform: Shared, caller: Caller, environment: Filter = None
) -> list[monitoring.Recalibration]:
    """By what the answers of a model's releases are moved, at each endpoint and location."""
    with platform.database.reading() as session:
        _require_readable(platform, session, caller, model)
        return monitoring_views.recalibrations(session, model, environment)


@router.get("/alerts", response_model=list[monitoring.Alert], **action(Action.READ, refined=True))
def list_alerts(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_ALERTS)],
    unfinished: Annotated[bool, Query(alias="open")] = False,
    environment: Filter = None,
    model: Filter = None,
    state: states.AlertState | None = None,
) -> list[monitoring.Alert]:
    """The newest alerts first, of the projects that the caller may read."""
    filters = {AlertRow.environment: environment or None, AlertRow.model: model or None, AlertRow.state: state}
    query = matching(select(AlertRow), filters)
    if unfinished:
        query = query.where(AlertRow.state != "resolved")
    if (readable := authorization.readable(platform, caller)) is not None:
        query = query.where(AlertRow.project.in_(readable))
    with platform.database.reading() as session:
        return [monitoring_views.alert(row) for row in page.rows(session, query)]


@router.get("/alerts/{alert_id}", response_model=monitoring.Alert, **action(Action.READ, refined=True))
def show(alert_id: str, platform: Shared, caller: Caller) -> monitoring.Alert:
    """One alert with its facts, its verdict, and what was said and done."""
    with platform.database.reading() as session:
        return _document(session, _alert(platform, session, caller, alert_id, Action.READ))


@router.post("/alerts/{alert_id}/acknowledge", response_model=monitoring.Alert, **action(Action.OPERATE, refined=True))
def acknowledge(alert_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> monitoring.Alert:
    """Say that somebody looks after it."""
    with platform.database.transaction() as session:
        row = _alert(platform, session, caller, alert_id, Action.OPERATE)
        alerts.acknowledge(session, row, caller.id, why.reason, platform.now())
        return _document(session, row)


@router.post("/alerts/{alert_id}/resolve", response_model=monitoring.Alert, **action(Action.OPERATE, refined=True))
def resolve(alert_id: str, why: ReasonBody, platform: Shared, caller: Caller) -> monitoring.Alert:
    """Say that it is over; its monitors begin anew."""
    with platform.database.transaction() as session:
        row = _alert(platform, session, caller, alert_id, Action.OPERATE)
        alerts.resolve(session, row, caller.id, why.reason, platform.now())
        return _document(session, row)


@router.post("/alerts/{alert_id}/mute", response_model=monitoring.Alert, **action(Action.OPERATE, refined=True))
def mute(alert_id: str, body: Mute, platform: Shared, caller: Caller) -> monitoring.Alert:
    """Keep it from telling anybody for a time."""
    with platform.database.transaction() as session:
        row = _alert(platform, session, caller, alert_id, Action.OPERATE)
        now = platform.now()
        alerts.mute(session, row, caller.id, body.reason, now + body.for_s, now)
        return _document(session, row)


@router.post("/alerts/{alert_id}/overrule", response_model=monitoring.Alert, **action(Action.RUN, refined=True))
def overrule(alert_id: str, body: Overruling, platform: Shared, caller: Caller) -> monitoring.Alert:
    """Put a person's word in the place of what triage says; a training may start of it."""
    with platform.database.transaction() as session:
        row = _alert(platform, session, caller, alert_id, Action.RUN)
        now = platform.now()
        carried = alerts.overrule_verdict(session, row, caller.id, Cause(body.verdict), body.reason, now)
        carry_out(session, platform, carried, now)
        return _document(session, row)


def _alert(platform: Platform, session: Session, caller: Caller, alert_id: str, action: Action) -> AlertRow:
    """An alert on which the caller may do something; its project decides."""
    row = alerts.require_alert(session, alert_id)
    authorization.require(
        platform, caller, action, Resource("project", row.project, row.tenant, row.project, row.environment)
    )
    return row


def _document(session: Session, row: AlertRow) -> monitoring.Alert:
    session.flush()
    notes = session.scalars(select(AlertNoteRow).where(AlertNoteRow.alert == row.id).order_by(AlertNoteRow.id))
    return monitoring_views.alert(row, list(notes))


def _require_readable(platform: Platform, session: Session, caller: Caller, model: str) -> None:
    project = monitoring_views.project_of(session, model)
    authorization.require(platform, caller, Action.READ, Resource("project", project, "default", project))
