"""Projects, and what announces new commits of them: hooks, webhooks."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from falaj.api import authorization, views
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.resources import TENANT
from falaj.api.route_actions import Action, action
from falaj.control.releases.registry import CONTROLLER
from falaj.control.runs import queue
from falaj.core.errors import ConflictError, NotFoundError
from falaj.core.principal import HOME, Principal
from falaj.integrations.git import (
    MAX_BODY_BYTES,
    WebhookRefusedError,
    local_path,
    require_own,
    require_permitted,
    require_url,
    verify_and_parse,
)
from falaj.integrations.git.ref_validation import redact
from falaj.schemas import api
from falaj.storage import Delivery, ProjectRow
from falaj.trust import settings
from falaj.trust.audit import record
from falaj.trust.policy import Resource
from falaj.trust.secrets import is_sealed

router = APIRouter(prefix="/api/v1", tags=["projects"])
_PROJECTS = paged("name", {"name": (ProjectRow.name,), "created_at": (ProjectRow.created_at, ProjectRow.name)})
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_ZERO_COMMIT = "0" * 40


class NewProject(BaseModel):
    """A repository to build."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    repository: str
    branch: str = "main"
    vendor: str | None = None
    webhook_secret: str | None = None
    poll_every_s: float | None = None


class Push(BaseModel):
    """A branch that moved."""

    model_config = ConfigDict(extra="forbid")
    project: str
    ref: str
    before: str = _ZERO_COMMIT
    after: str
    delivery: str = ""


@router.post("/projects", status_code=201, response_model=api.Project, **action(Action.CONFIGURE_PROJECT, refined=True))
def register(new_project: NewProject, platform: Shared, caller: Caller) -> api.Project:
    """Register a project; registering it again with the same repository changes its settings."""
    authorization.require(
        platform, caller, Action.CONFIGURE_PROJECT, Resource("project", new_project.name, project=new_project.name)
    )
    _require_repository(platform, caller, new_project)
    with platform.database.transaction() as session:
        row = session.get(ProjectRow, new_project.name)
        if row is not None and row.repository != new_project.repository:
            raise ConflictError(f"project '{new_project.name}' builds {row.repository}", hint="choose another name")
        if row is None:
            row = ProjectRow(name=new_project.name, repository=new_project.repository, created_at=platform.now())
            session.add(row)
        row.branch, row.vendor, row.poll_every_s = new_project.branch, new_project.vendor, new_project.poll_every_s
        if new_project.webhook_secret or not row.webhook_secret:
            secret = new_project.webhook_secret or secrets.token_urlsafe(24)
            row.webhook_secret = platform.vault.seal(secret, webhook_purpose(new_project.name))
        _note_registered(session, row, caller.id, platform.now())
        return views.project(row)


@router.get("/projects", response_model=list[api.Project], **action(Action.READ, refined=True))
def list_projects(platform: Shared, caller: Caller, page: Annotated[Paging, Depends(_PROJECTS)]) -> list[api.Project]:
    """The projects that the caller may read, by name."""
    query = select(ProjectRow)
    if (readable := authorization.readable(platform, caller)) is not None:
        query = query.where(ProjectRow.name.in_(readable))
    with platform.database.reading() as session:
        return [views.project(row) for row in page.rows(session, query)]


@router.post("/triggers/push", response_model=api.Triggered, **action(Action.TRIGGER, refined=True))
def push(announced: Push, platform: Shared, caller: Caller) -> api.Triggered:
    """A hook of a repository on this machine says that a branch moved."""
    project = announced.project
    authorization.require(platform, caller, Action.TRIGGER, Resource("project", project, project=project))
    return announce(platform, announced, trigger="push", actor=caller.id)


@router.post("/webhooks/{vendor}/{project}", response_model=api.Triggered, **action(Action.PUBLIC))
async def webhook(vendor: str, project: str, request: Request, platform: Shared) -> api.Triggered:
    """A git host says that a branch moved; its signature is checked and a replay refused."""
    body = await bounded(request, MAX_BODY_BYTES)
    return await run_in_threadpool(_receive, platform, vendor, project, dict(request.headers), body)


def announce(platform: Platform, push: Push, trigger: str, sender: str = "", actor: str = CONTROLLER) -> api.Triggered:
    """Queue a run for a branch that moved, unless it is another branch, was deleted, or has its run already.

    A delivery of a sender is remembered in the same transaction: it is refused the second time, and only if the first
    was taken.

    Args:
        platform: The installation.
        push: What moved.
        trigger: How it became known.
        sender: The git host, when `push.delivery` is one of its delivery ids.
        actor: Principal id of who announces it; the controller where no principal does.

    Raises:
        NotFoundError: The project is not registered.
    """
    now = platform.now()
    with platform.database.transaction() as session:
        project = session.get(ProjectRow, push.project)
        if project is None:
            raise NotFoundError(f"no project '{push.project}'", code="project.unknown")
        if sender and not _first_time(session, sender, push.delivery, now):
            return api.Triggered(None, created=False, reason="this delivery was received before")
        if refusal := _why_ignored(project, push):
            queue.record(session, f"project/{project.name}", "push.ignored", {"ref": push.ref, "reason": refusal}, now)
            return api.Triggered(None, created=False, reason=refusal)
        order = queue.RunOrder(project.name, push.after, trigger=trigger, ref=push.ref, actor=actor)
        run, created = queue.enqueue(session, platform.processes, order, now)
        if created:
            details = {"ref": push.ref, "commit": push.after, "trigger": trigger, "sender": sender, "run": run.id}
            record.write(session, "push.announced", actor, f"project/{project.name}", now, details)
        return api.Triggered(run.id, created, "a new run" if created else "this commit has its run already")


def _require_repository(platform: Platform, caller: Principal, new_project: NewProject) -> None:
    """Refuse a repository of another project or at an inner address, and folders but to who administers the machine.

    A folder of the machine is read with the rights of the installation, whoever names it.
    """
    require_url(new_project.repository)
    require_own(platform.home, new_project.name, new_project.repository)
    with platform.database.reading() as session:
        egress_rules = settings.egress(session)
    require_permitted(new_project.repository, egress_rules)
    folder = local_path(new_project.repository)
    own = platform.home.repos / f"{new_project.name}.git"
    if folder is not None and folder.resolve() != own.resolve() and caller.id != HOME:
        authorization.require(platform, caller, Action.MANAGE_PLATFORM, Resource("tenant", TENANT, TENANT))


def _note_registered(session: Session, row: ProjectRow, actor: str, now: float) -> None:
    repository_details = {"repository": redact(row.repository), "branch": row.branch, "vendor": row.vendor}
    details = {**repository_details, "poll_every_s": row.poll_every_s}
    record.write(session, "project.registered", actor, f"project/{row.name}", now, details)


def _why_ignored(project: ProjectRow, push: Push) -> str:
    if set(push.after) == {"0"}:
        return f"{push.ref} was deleted"
    if push.ref != f"refs/heads/{project.branch}":
        return f"{push.ref} is not the branch that is built ({project.branch})"
    return ""


async def bounded(request: Request, limit: int) -> bytes:
    """The body of a request, which is refused when it is larger than `limit` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            message = f"the payload is larger than {limit} bytes"
            raise WebhookRefusedError(message, code="git.webhook-too-large", status=413)
    return bytes(body)


def _receive(platform: Platform, vendor: str, name: str, headers: dict[str, str], body: bytes) -> api.Triggered:
    with platform.database.reading() as session:
        project = session.get(ProjectRow, name)
    if project is None or not project.webhook_secret:
        raise NotFoundError(f"no project '{name}'", code="project.unknown")
    secret = project.webhook_secret
    if is_sealed(secret):  # others are from before there was encryption
        secret = platform.vault.open(secret, webhook_purpose(name))
    event = verify_and_parse(vendor, headers, body, secret, platform.now())
    if event is None:
        return api.Triggered(None, created=False, reason="not a push of a branch")
    moved = Push(project=name, ref=event.ref, before=event.before, after=event.after, delivery=event.delivery_id)
    return announce(platform, moved, trigger="webhook", sender=vendor)


def webhook_purpose(project: str) -> str:
    """What the sealed secret of a webhook is for."""
    return f"falaj/webhook|{project}"


def _first_time(session: Session, vendor: str, delivery_id: str, now: float) -> bool:
    if session.get(Delivery, (vendor, delivery_id)) is not None:
        return False
    session.add(Delivery(vendor=vendor, delivery_id=delivery_id, received_at=now))
    return True
