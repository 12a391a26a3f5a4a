"""Liveness, the event stream, garbage collection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from falaj import __version__, api
from falaj.artifacts import Digest
from falaj.governance import privacy, trail
from falaj.server import views
from falaj.server.access import Caller
from falaj.server.actions import Action, action
from falaj.server.platform import Platform, Shared
from falaj.storage import EventRow, ReleaseRow, StepRunRow

router = APIRouter(prefix="/api/v1", tags=["system"])
_STREAM_STEP_S = 0.15
_STREAM_BATCH = 500
_KEEP_ALIVE_S = 10.0


@router.get("/health", response_model=api.Health, **action(Action.PUBLIC))
def health(platform: Shared) -> api.Health:
    """Whether the server answers and reaches its database."""
    with platform.database.reading() as session:
        session.scalar(select(1))
    dialect = platform.database.engine.dialect.name
    kind = "s3" if platform.home.store_url.startswith("s3:") else "folder"
    return api.Health("ok", __version__, dialect, kind)


@router.get("/events", **action(Action.READ))
async def events(request: Request, platform: Shared, subject: str = "", after: int | None = None) -> StreamingResponse:
    """Events as they happen (server-sent events), from `after` or `Last-Event-ID`, else from the beginning.

    `subject` selects those whose subject begins with it, e.g. `run/0abc`.
    """
    resumed = request.headers.get("last-event-id", "")
    start = after if after is not None else int(resumed) if resumed.isdigit() else 0
    return StreamingResponse(_follow(request, platform, subject, start), media_type="text/event-stream")


@router.get("/events/last", response_model=int, **action(Action.READ))
def last_event(platform: Shared) -> int:
    """Id of the newest event; 0 when there is none."""
    with platform.database.reading() as session:
        return session.scalar(select(func.max(EventRow.id))) or 0


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
        trail.write(session, kind, actor, "artifacts", platform.now(), details)


def _roots(platform: Platform) -> set[Digest]:
    """Digests that must stay: releases and their snapshots, logs of steps, outputs of cached steps, what law keeps."""
    roots: set[str] = set()
    with platform.database.reading() as session:
        for row in session.scalars(select(ReleaseRow)):
            roots |= {row.digest, *row.data.get("snapshots", {}).values(), *row.data.get("artifacts", [])}
        for step in session.scalars(select(StepRunRow)):
            roots |= {step.detail["log"]} if step.detail.get("log") else set()
        roots |= privacy.locks_now(session, platform.now()).keys()
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


async def _follow(request: Request, platform: Platform, subject: str, after: int) -> AsyncIterator[str]:
    quiet_s = 0.0
    while not platform.stopping.is_set() and not await request.is_disconnected():
        batch = await run_in_threadpool(_read_events, platform, subject, after)
        for event in batch:
            after = event.id
            yield f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(asdict(event))}\n\n"
        quiet_s = 0.0 if batch else quiet_s + _STREAM_STEP_S
        if quiet_s > _KEEP_ALIVE_S:
            quiet_s = 0.0
            yield ": still here\n\n"
        if not batch:
            await asyncio.sleep(_STREAM_STEP_S)


def _read_events(platform: Platform, subject: str, after: int) -> list[api.Event]:
    query = select(EventRow).where(EventRow.id > after).order_by(EventRow.id).limit(_STREAM_BATCH)
    if subject:
        query = query.where(EventRow.subject.startswith(subject, autoescape=True))
    with platform.database.reading() as session:
        return [views.event(row) for row in session.scalars(query)]
