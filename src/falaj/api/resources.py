"""What a request is about, as far as its path and query say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control import releases
from falaj.control.runs import queue
from falaj.core.errors import NotFoundError, UsageError
from falaj.storage import RunRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.monitoring_tables import AlertRow
from falaj.trust.policy import Resource

_ROWS_WITH_PROJECT: dict[str, type[RunRow | ChangeRow | AlertRow]] = {
    "run": RunRow,
    "change": ChangeRow,
    "alert": AlertRow,
}

TENANT = "default"
"""Whose everything is that this database holds; never taken from the principal, who may be of another one."""


def resource_of(session: Session, request: Request) -> Resource:
    """The resource that path and query name, else the tenant.

    What they name and does not exist belongs to no project, so that a refusal does not tell what exists.

    Args:
        session: Finds the project of runs and releases.
        request: With its route matched.
    """
    named = _named(request)
    path = request.url.path
    environment = named.get("environment")
    if run_id := named.get("run_id"):
        return Resource("run", run_id, TENANT, _project_of_run(session, run_id))
    if path.startswith("/api/v1/releases/") and (name := named.get("name") or named.get("release")):
        return Resource("release", name, TENANT, _project_of_release(session, name), environment)
    if location := request.path_params.get("location"):
        return Resource("location", location, TENANT)
    if project := named.get("project"):
        return Resource("project", project, TENANT, project, environment)
    if environment:
        return Resource("environment", environment, TENANT, environment=environment)
    return Resource("tenant", TENANT, TENANT)


def resource_of_subject(session: Session, subject: str) -> Resource:
    """What an event is about, with the project that it belongs to; what belongs to none is the tenant's.

    Args:
        session: Finds the project.
        subject: As events carry it, such as `run/0abc`, exactly.
    """
    kind, _, name = subject.partition("/")
    if not name:
        return Resource("tenant", TENANT, TENANT)
    return Resource(kind, name, TENANT, _project_of_subject(session, kind, name))


def _project_of_subject(session: Session, kind: str, name: str) -> str | None:
    if kind == "project":
        return name
    if kind == "release":
        return _project_of_release(session, name)
    if kind == "endpoint":
        return _project_of_release(session, name.partition("/")[2])
    table = _ROWS_WITH_PROJECT.get(kind)
    return session.scalar(select(table.project).where(table.id == name)) if table else None


def _named(request: Request) -> Mapping[str, str]:
    """Path parameters, and those of the query that the route declares: another one must not choose the scope."""
    declared = {field.alias for field in request.scope["route"].dependant.query_params}
    return {**{name: value for name, value in request.query_params.items() if name in declared}, **request.path_params}


def _project_of_run(session: Session, run_id: str) -> str | None:
    if run_id == "last":  # which one that is may change before the handler looks
        return None
    with suppress(NotFoundError):
        return queue.find(session, run_id).project
    return None


def _project_of_release(session: Session, name: str) -> str | None:
    with suppress(NotFoundError, UsageError):
        return releases.owner_of(session, releases.find(session, name).model)
    return None
