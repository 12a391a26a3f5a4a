"""Predictions as data: the permission to take them out of a log, where they lie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.control import releases
from falaj.schemas import predictions
from falaj.trust.audit import record
from falaj.trust.policy import Resource

router = APIRouter(prefix="/api/v1", tags=["predictions"])

EndpointName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,63}/[a-z0-9_.-]{1,63}$")]
LocationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Moment = Annotated[float, Field(ge=0, le=1e11)]


class ExportRequest(BaseModel):
    """Which predictions somebody wants to take out."""

    model_config = ConfigDict(extra="forbid")
    endpoint: EndpointName
    location: LocationName
    since: Moment
    until: Moment


@router.post(
    "/predictions/exports", response_model=predictions.ExportPermit, **action(Action.EXPORT_PREDICTIONS, refined=True)
)
def permit_export(body: ExportRequest, platform: Shared, caller: Caller) -> predictions.ExportPermit:
    """Ask whether predictions of an endpoint may be exported at a location; that it was permitted is in the audit log.

    The server neither has nor sends them: they are read on the location's machine, with the keys that are there.
    """
    environment, _, model = body.endpoint.partition("/")
    with platform.database.reading() as session:
        project = releases.require_owner(session, model)
    authorization.require(
        platform,
        caller,
        Action.EXPORT_PREDICTIONS,
        Resource("endpoint", body.endpoint, project=project, environment=environment),
    )
    now = platform.now()
    with platform.database.transaction() as session:
        details = {"location": body.location, "since": body.since, "until": body.until}
        record.write(session, "predictions.exported", caller.id, f"endpoint/{body.endpoint}", now, details)
    return predictions.ExportPermit(body.endpoint, body.location, caller.id, now)
