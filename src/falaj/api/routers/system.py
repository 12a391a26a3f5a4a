"""Liveness, the event stream, garbage collection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from falaj.api import event_stream
from falaj.api.authorization import Caller, EventPermission, require
from falaj.api.liveness import healthy
from falaj.api.platform import Platform, Shared
from falaj.api.resources import resource_of_subject
from falaj.api.route_actions import Action, action
from falaj.control import compliance
from falaj.core.errors import UsageError
from falaj.core.ids import parse_number
from falaj.schemas import api
from falaj.storage import ReleaseRow, StepRunRow
from falaj.supply_chain.artifacts import Digest
from falaj.trust.audit import record

router = APIRouter(prefix="/api/v1", tags=["system"])
Nonce = Annotated[str, Query(pattern=r"^[0-9a-f]{32}$")]
Subject = Annotated[str, Query(max_length=200)]
EventId = Annotated[int, Query(ge=0, le=event_stream.MAX_EVENT_ID)]


@router.get("/health", response_model=api.Health, **action(Action.PUBLIC))
def health(platform: Shared) -> api.Health:
    """Whether the server answers and reaches its database."""
    return healthy(platform)  # `Liveness` has asked the database, and answers first


@router.get("/installation", response_model=api.InstallationProof, **action(Action.PUBLIC))
def installation(platform: Shared, nonce: Nonce) -> api.InstallationProof:
    """Prove which installation this is, so that nobody sends its token to another one."""
    return api.InstallationProof(platform.home.proof(nonce))


@router.get("/events", **action(Action.READ, refined=True))
def events(
    request: Request, platform: Shared, caller: Caller, subject: Subject = "", after: EventId | None = None
) -> StreamingResponse:
    """Events as they happen (server-sent events), from `after` or `Last-Event-ID`, else from the beginning.

    `subject` selects those of one subject, e.g. `run/0abc1def2ghi`. A stream goes back 10,000 events at most, and
    holds what the caller may read, judged event by event.
    """
    start = after if after is not None else _resumed_at(request.headers.get("last-event-id"))
    if subject:
        with platform.database.reading() as session:
            resource = resource_of_subject(session, subject)
        require(platform, caller, Action.READ, resource)
    reader = EventPermission(platform, request, caller)
    content = event_stream.stream(platform.event_fan_out, platform.database, subject, start, reader)
    return StreamingResponse(content, media_type="text/event-stream")


@router.get("/events/last", response_model=int, **action(Action.READ))
def last_event(platform: Shared) -> int:
    """Id of the newest event; 0 when there is none."""
    return event_stream.newest(platform.database)


def _resumed_at(last_event_id: str | None) -> int:
    if last_event_id is None:
        return 0
    event_number = parse_number(last_event_id, digits=18)
    if event_number is None:
        raise UsageError(f"'{last_event_id[:40]}' is not the id of an event", where="Last-Event-ID")
    return event_number


@router.post("/artifacts/collect", response_model=api.Collected, **action(Action.OPERATE))
def collect(platform: Shared, caller: Caller, grace_s: float = 86_400.0) -> api.Collected:
    """Remove artifacts that no release, run or cached step reaches and that are older than the grace period."""
    _note(platform, caller.id, "artifacts.collecting", {"grace_s": grace_s})  # no file goes before this is logged
    roots = _roots(platform)
    collected = platform.store.collect(roots, grace_s=grace_s, now=platform.now())
    _note(platform, caller.id, "artifacts.collected", {"blobs": collected.blobs, "bytes": collected.bytes})
    return api.Collected(collected.blobs, collected.bytes)


def _note(platform: Platform, actor: str, kind: str, details: dict[str, Any]) -> None:
    with platform.database.transaction() as session:
        record.write(session, kind, actor, "artifacts", platform.now(), details)


def _roots(platform: Platform) -> set[Digest]:
    """Digests that must stay: releases and their snapshots, logs of steps, outputs of cached steps, what law keeps."""
    roots: set[str] = set()
    with platform.database.reading() as session:
        for row in session.scalars(select(ReleaseRow)):
            roots |= {row.digest, *row.data.get("snapshots", {}).values(), *row.data.get("artifacts", [])}
        for step in session.scalars(select(StepRunRow)):
            roots |= {step.detail["log"]} if step.detail.get("log") else set()
        roots |= compliance.locks_now(session, platform.now()).keys()
    for name in (*platform.store.refs("steps/"), *platform.store.refs("packaging/"), *platform.store.refs("sources/")):
        roots |= set(_digests(json.loads(platform.store.get_ref(name) or b"{}")))
    return {Digest(root) for root in roots}


def _digests(value: Any) -> Iterator[str]:
    """Every artifact that a remembered result names, wherever it names it."""
    if isinstance(value, str) and value.startswith("sha256:"):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _digests(item)
