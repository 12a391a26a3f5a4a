"""What a request is about, as far as its path and query say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from fastapi import Request
from sqlalchemy.orm import Session

from falaj import release
from falaj.errors import NotFoundError
from falaj.governance.policy import Resource
from falaj.runs import queue

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
    subject, _, subject_id = named.get("subject", "").partition("/")
    environment = named.get("environment")
    if run_id := named.get("run_id") or (subject_id if subject == "run" else ""):
        return Resource("run", run_id, TENANT, _project_of_run(session, run_id))
    if path.startswith("/api/v1/releases/") and (name := named.get("name") or named.get("release")):
        return Resource("release", name, TENANT, _project_of_release(session, name), environment)
    if location := request.path_params.get("location"):
        return Resource("location", location, TENANT)
    if project := named.get("project") or (subject_id if subject == "project" else ""):
        return Resource("project", project, TENANT, project, environment)
    if environment:
        return Resource("environment", environment, TENANT, environment=environment)
    return Resource("tenant", TENANT, TENANT)


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
    with suppress(NotFoundError):
        return release.find(session, name).project
    return None
