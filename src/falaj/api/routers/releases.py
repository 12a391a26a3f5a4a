"""Releases, their evidence, and endpoints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, StringConstraints
from sqlalchemy import select

from falaj.api import authorization, views
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.route_actions import Action, action
from falaj.control import releases
from falaj.control.changes.assessment import evidence_for
from falaj.control.changes.placement import placements
from falaj.schemas import api, states
from falaj.schemas.workload import ReleasePlacement
from falaj.storage import EndpointRow, ReleaseRow
from falaj.trust.identity import require_recent_login

router = APIRouter(prefix="/api/v1", tags=["releases"])
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]


_RELEASES = paged("-created_at", {
    "created_at": (ReleaseRow.created_at, ReleaseRow.model, ReleaseRow.number),
    "model": (ReleaseRow.model, ReleaseRow.number),
})  # fmt: skip
_ENDPOINTS = paged("environment", {
    "environment": (EndpointRow.environment, EndpointRow.model, EndpointRow.location),
    "model": (EndpointRow.model, EndpointRow.environment, EndpointRow.location),
})  # fmt: skip


class OwnerUpdate(RequiredReasonBody):
    """To whom a model goes, and why."""

    project: Annotated[str, StringConstraints(max_length=200)]


class ModelOwner(BaseModel):
    """The project that a model belongs to."""

    model: str
    project: str


@router.get("/releases", response_model=list[api.Release], **action(Action.READ, refined=True))
def list_releases(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_RELEASES)],
    model: str | None = None,
    state: states.ReleaseState | None = None,
) -> list[api.Release]:
    """The newest releases first, of the projects that the caller may read."""
    query = matching(select(ReleaseRow), {ReleaseRow.model: model or None, ReleaseRow.state: state})
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        if readable is not None:
            query = query.where(ReleaseRow.model.in_(releases.owned_by(session, readable)))
        return [views.release(row) for row in page.rows(session, query)]


@router.get("/releases/{name}", response_model=api.Release, **action(Action.READ))
def show(name: str, platform: Shared) -> api.Release:
    """The release that `model@number` or `model@latest` names."""
    with platform.database.reading() as session:
        return views.release(releases.find(session, name))


@router.get(
    "/releases/{name}/evidence",
    response_model=list[dict[str, Any]],
    **action(Action.READ, bounded="one statement of each kind a release has"),
)
def evidence(name: str, platform: Shared) -> list[dict[str, Any]]:
    """The signed envelopes of a release."""
    with platform.database.reading() as session:
        return [row.envelope for row in releases.evidence_of(session, releases.find(session, name))]


@router.get(
    "/releases/{name}/placement",
    response_model=list[ReleasePlacement],
    **action(Action.READ, bounded="one row of each location and environment of the platform file"),
)
def placement(name: str, platform: Shared) -> list[ReleasePlacement]:
    """Where a release goes in each environment, the lowest first, and which rule lets it in or keeps it out."""
    with platform.database.reading() as session:
        turn = platform.turn(session)
        datasets = evidence_for(turn, releases.find(session, name)).datasets
        return [
            ReleasePlacement(environment=environment.name, **asdict(each))
            for environment in turn.spec.ordered_environments
            for each in placements(turn.spec, environment, datasets)
        ]


@router.put("/models/{model}/owner", response_model=ModelOwner, **action(Action.MANAGE_PLATFORM))
def move(model: ModelName, body: OwnerUpdate, platform: Shared, caller: Caller) -> ModelOwner:
    """Give a model to another project, whose roles decide about it from now on."""
    now = platform.now()
    require_recent_login(caller, "moving a model to another project", now)
    with platform.database.transaction() as session:
        releases.move_model(session, model, body.project, caller.id, body.reason, now)
    return ModelOwner(model=model, project=body.project)


@router.get("/endpoints", response_model=list[api.Endpoint], **action(Action.READ, refined=True))
def endpoints(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_ENDPOINTS)],
    environment: str | None = None,
    model: str | None = None,
    location: str | None = None,
) -> list[api.Endpoint]:
    """Every endpoint with what it serves, of the projects that the caller may read."""
    filters = {EndpointRow.environment: environment, EndpointRow.model: model, EndpointRow.location: location}
    query = matching(select(EndpointRow), filters)
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        if readable is not None:
            query = query.where(EndpointRow.model.in_(releases.owned_by(session, readable)))
        return [views.endpoint(row) for row in page.rows(session, query)]
