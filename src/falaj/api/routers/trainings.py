"""Trainings: what starts them, what asked for one, and events that other systems tell of."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.route_actions import Action, action
from falaj.api.routers.projects import bounded, webhook_purpose
from falaj.config.retrain import parse_window
from falaj.control.retraining import admission, events
from falaj.control.retraining.model_settings import RetrainSettings, all_retrain_settings, retrain_settings_of
from falaj.control.retraining.overview import overview
from falaj.core.errors import FalajError, NotFoundError, UsageError
from falaj.core.principal import Principal
from falaj.schemas import retraining
from falaj.storage import Database, ProjectRow, ReleaseRow
from falaj.storage.retraining_tables import TrainingRequestRow
from falaj.trust.policy import Resource
from falaj.trust.secrets import is_sealed

router = APIRouter(prefix="/api/v1", tags=["trainings"])
_LARGEST_EVENT = 1_000_000
_TRIGGERS = paged("model", {"model": (ReleaseRow.model,)})


class EventRefusedError(FalajError):
    """What was sent to tell of an event is not signed by the project's secret, or says nothing."""

    code, status, exit_code = "trainings.event-refused", 403, 1


class TrainingCreate(RequiredReasonBody):
    """A training that somebody asks for."""

    window: Annotated[str, StringConstraints(max_length=100)] = ""
    beyond_budget: bool = False
    occasion: Annotated[str | None, Field(max_length=100)] = None


@router.get("/triggers", response_model=list[retraining.ModelTriggers], **action(Action.READ, refined=True))
def list_triggers(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_TRIGGERS)],
    model: Annotated[str | None, Query(max_length=200)] = None,
) -> list[retraining.ModelTriggers]:
    """What starts trainings of the models that the caller may read, and the last requests for one."""
    readable = authorization.readable(platform, caller)
    with platform.database.reading() as session:
        model_triggers = [each for each in all_retrain_settings(session) if model in (None, each.release.model)]
        visible_triggers = [each for each in model_triggers if readable is None or each.project in readable]
        if model and not visible_triggers:
            raise NotFoundError(f"no model '{model}' that could be trained again", code="retraining.model")
        shown = page.named(visible_triggers, lambda each: each.release.model)
        return [overview(session, each, platform.now()) for each in shown]


@router.post(
    "/models/{model}/trainings",
    status_code=201,
    response_model=retraining.TrainingRequest,
    **action(Action.RUN, refined=True),
)
def request(model: str, body: TrainingCreate, platform: Shared, caller: Caller) -> retraining.TrainingRequest:
    """Ask for a training; it starts, waits or is refused, and the answer says why."""
    _permitted(platform, caller, model, Action.RUN)
    if body.beyond_budget:
        _permitted(platform, caller, model, Action.CONFIGURE_PROJECT)
    cause = {"kind": "manual", "reason": body.reason} | ({"occasion": f"by/{body.occasion}"} if body.occasion else {})
    with platform.database.transaction() as session:
        training_request = admission.request_training(
            session, platform.processes, model, cause, platform.now(),
            actor=caller.id, window=_window(body.window), beyond_budget=body.beyond_budget,
        )  # fmt: skip
        return retraining.request_of(session.get_one(TrainingRequestRow, training_request.id))


@router.post(
    "/models/{model}/trainings/resume",
    response_model=retraining.ModelTriggers,
    **action(Action.RUN, refined=True),
)
def resume(model: str, platform: Shared, caller: Caller) -> retraining.ModelTriggers:
    """Let trainings start again that failures or candidates that did not win have stopped."""
    _permitted(platform, caller, model, Action.RUN)
    now = platform.now()
    with platform.database.transaction() as session:
        admission.resume(session, model, caller.id, now)
        admission.advance(session, platform.processes, model, now)
    with platform.database.reading() as session:
        return overview(session, _require_settings(retrain_settings_of(session, model), model), now)


@router.post("/projects/{project}/events", **action(Action.PUBLIC))
async def announce(project: str, request: Request, platform: Shared) -> dict[str, Any]:
    """Another system says that a data source has something new; its signature is checked.

    The body is `{"source": NAME, "id": ID}`, a CloudEvent with that as its data, or the notification of an object store
    in the form of S3. It is signed as webhooks of GitHub are (`x-hub-signature-256`), or the project's webhook secret
    stands in `authorization: Bearer`. The same body twice is one event.
    """
    body = await bounded(request, _LARGEST_EVENT)
    return await run_in_threadpool(_receive, platform, project, dict(request.headers), body)


def _receive(platform: Platform, project: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    _check_sender(platform, project, headers, body)
    training_requests = []
    with platform.database.transaction() as session:
        for source_event in told_events(body):
            training_requests += events.announce_event(
                session, platform.processes, project, source_event, platform.now()
            )
    return {"requests": [{"id": each.id, "state": each.state, "reason": each.reason} for each in training_requests]}


def _check_sender(platform: Platform, project: str, headers: Mapping[str, str], body: bytes) -> None:
    secret = _secret_of(platform, platform.database, project)
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signature = headers.get("x-hub-signature-256", "")
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    by_signature = hmac.compare_digest(signed.encode(), signature.encode())
    if not secret or not (by_signature or hmac.compare_digest(secret.encode(), bearer.encode())):
        hint = "sign the body with the project's webhook secret (x-hub-signature-256)"
        raise EventRefusedError("the event is not signed by the project's secret", hint=hint)


def _secret_of(platform: Platform, database: Database, project: str) -> str:
    """The secret of a project; empty when there is none, or no project, which the sender is not told."""
    with database.reading() as session:
        row = session.get(ProjectRow, project)
    secret = (row.webhook_secret if row else None) or ""
    return platform.vault.open(secret, webhook_purpose(project)) if is_sealed(secret) else secret


def told_events(body: bytes) -> list[dict[str, Any]]:
    """What a body tells of: each with an `id`, and a `source` or the `url` of an object.

    Raises:
        EventRefusedError: It is none of the forms.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    unique = hashlib.sha256(body).hexdigest()[:32]
    match payload:
        case {"Records": list(records)}:
            urls = {url: None for each in records[:1000] if (url := _object(each))}
            return [{"url": url, "id": unique} for url in urls]
        case {"specversion": str(), "id": str(event), "data": {"source": str(source), **rest}}:
            return [_plain(source, event, rest.get("reason"))]
        case {"source": str(source), **rest}:
            return [_plain(source, str(rest.get("id") or unique), rest.get("reason"))]
    raise EventRefusedError(
        "the body tells of no event", hint='{"source": "flights", "id": "2026-11-25"}, a CloudEvent, or an S3 event'
    )


def _plain(source: str, event: str, reason: object) -> dict[str, Any]:
    named = event if len(event) <= 64 and event.isprintable() else hashlib.sha256(event.encode()).hexdigest()[:32]
    reason_field = {"reason": reason[:500]} if isinstance(reason, str) and reason.strip() else {}
    return {"source": source[:63], "id": named, **reason_field}


def _object(record: Any) -> str:
    match record:
        case {"s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}}}:
            return f"s3://{bucket}/{unquote_plus(key)}"
    return ""


def _window(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        return parse_window(text)
    except ValueError as error:
        raise UsageError(f"'{text}' is not a window", hint=str(error), code="retraining.window") from None


def _permitted(platform: Platform, caller: Principal, model: str, action: Action) -> None:
    with platform.database.reading() as session:
        project = _require_settings(retrain_settings_of(session, model), model).project
    authorization.require(platform, caller, action, Resource("model", model, project=project))


def _require_settings(settings: RetrainSettings | None, model: str) -> RetrainSettings:
    if settings is None:
        raise NotFoundError(
            f"model '{model}' has no release that could be trained again",
            hint="falaj release list lists them",
            code="retraining.model",
        )
    return settings
