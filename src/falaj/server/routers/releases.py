"""Releases, their evidence, and endpoints."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import select

from falaj import api, release
from falaj.server import access, views
from falaj.server.access import Caller
from falaj.server.actions import Action, action
from falaj.server.platform import Shared
from falaj.storage import EndpointRow, ReleaseRow

router = APIRouter(prefix="/api/v1", tags=["releases"])


@router.get("/releases", response_model=list[api.Release], **action(Action.READ, refined=True))
def list_releases(platform: Shared, caller: Caller, model: str | None = None) -> list[api.Release]:
    """The newest releases first, of the projects that the caller may read."""
    query = select(ReleaseRow).order_by(ReleaseRow.created_at.desc())
    if model:
        query = query.where(ReleaseRow.model == model)
    if (readable := access.readable(platform, caller)) is not None:
        query = query.where(ReleaseRow.project.in_(readable))
    with platform.database.reading() as session:
        return [views.release(row) for row in session.scalars(query)]


@router.get("/releases/{name}", response_model=api.Release, **action(Action.READ))
def show(name: str, platform: Shared) -> api.Release:
    """The release that `model@number` or `model@latest` names."""
    with platform.database.reading() as session:
        return views.release(release.find(session, name))


@router.get("/releases/{name}/evidence", response_model=list[dict[str, Any]], **action(Action.READ))
def evidence(name: str, platform: Shared) -> list[dict[str, Any]]:
    """The signed envelopes of a release."""
    with platform.database.reading() as session:
        return [row.envelope for row in release.evidence_of(session, release.find(session, name))]


@router.get("/endpoints", response_model=list[api.Endpoint], **action(Action.READ, refined=True))
def endpoints(platform: Shared, caller: Caller) -> list[api.Endpoint]:
    """Every endpoint with what it serves, of the projects that the caller may read."""
    query = select(EndpointRow).order_by(EndpointRow.environment, EndpointRow.model, EndpointRow.location)
    if (readable := access.readable(platform, caller)) is not None:
        query = query.where(EndpointRow.model.in_(select(ReleaseRow.model).where(ReleaseRow.project.in_(readable))))
    with platform.database.reading() as session:
        return [views.endpoint(row) for row in session.scalars(query)]
