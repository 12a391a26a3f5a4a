"""What agents ask and report, and the artifacts that they fetch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from falaj.api import caller_admission
from falaj.api.authorization import Caller
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.control import changes, compliance, releases
from falaj.control.changes.endpoint_plan import endpoint_plan
from falaj.control.monitoring import alerts
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import EndpointRow
from falaj.storage.sealed import UNVERIFIED, require_all
from falaj.supply_chain.artifacts import parse_digest
from falaj.trust import audit, settings
from falaj.trust.policy import ForbiddenError, PolicyDecision, Resource

router = APIRouter(prefix="/api/v1", tags=["locations"])
_LONG_POLL_S = 20.0
_CHUNK_BYTES = 1 << 20
Version = Annotated[int, Query(ge=-1, le=2**62)]
LogSize = Annotated[int, Query(ge=0, le=2**62)]


class RecalibrationReport(BaseModel):
    """By what an agent moves the answers of a release."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    release: Annotated[int, Field(ge=0, le=2**31 - 1)]
    version: Annotated[int, Field(ge=0, le=2**53)]
    kind: Literal["binary", "regression"]
    offset: float
    proposed: float
    strength: float
    bound: float
    threshold: float
    limit: Literal["none", "daily_step", "bound"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""
    rows: Annotated[int, Field(ge=0, le=2**53)]
    fitted_at: float
    expires_at: float
    days: Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(max_length=400)] = []
    months: Annotated[dict[Annotated[str, StringConstraints(max_length=10)], float], Field(max_length=60)] = {}


class EndpointReport(BaseModel):
    """What an agent says of one endpoint; what later agents add is kept as well."""

    model_config = ConfigDict(extra="allow")
    endpoint: Annotated[str, StringConstraints(pattern=r"^[^/\x00]+/[^/\x00]+$", max_length=320)]
    release: int
    state: Annotated[str, StringConstraints(max_length=40)]
    replicas_ready: int = 0
    message: str = ""
    url: str | None = None
    door: Annotated[str, StringConstraints(max_length=600)] = ""
    callers: Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=100_000)] = []
    recalibrations: Annotated[list[RecalibrationReport], Field(max_length=64)] = []


class Report(BaseModel):
    """What an agent says of its endpoints."""

    model_config = ConfigDict(extra="ignore")
    version: int
    endpoints: list[EndpointReport]


@router.get("/locations/{location}/desired", **action(Action.SERVE))
async def desired(location: str, platform: Shared, after: Version = -1) -> dict[str, Any]:
    """What a location must serve; waits up to 20 s for something newer than version `after`."""
    if after >= 0 and await run_in_threadpool(_version, platform, location) == after:
        await platform.version_feed.wait(location, after, _LONG_POLL_S)
    return await run_in_threadpool(_desired, platform, location)


def _desired(platform: Platform, location: str) -> dict[str, Any]:
    with platform.database.reading() as session:
        version = _newest(session, location)
        return {"version": version, **_plans(platform, platform.turn(session), location)}


def _version(platform: Platform, location: str) -> int:
    with platform.database.reading() as session:
        return _newest(session, location)


def _newest(session: Session, location: str) -> int:
    """The version that an agent is woken for; what it then gets was verified."""
    query = select(func.max(EndpointRow.version)).where(EndpointRow.location == location)
    return session.scalar(query, execution_options=UNVERIFIED) or 0


@router.put("/locations/{location}/status", status_code=204, **action(Action.SERVE))
def status(location: str, report: Report, platform: Shared, caller: Caller) -> None:
    """Take an agent's report."""
    with platform.database.transaction() as session:
        endpoints = [each.model_dump() for each in report.endpoints]
        now = platform.now()
        settled = releases.observe(session, platform.processes, location, endpoints, now, reporter=caller.id)
        for each in endpoints:
            environment, _, model = each["endpoint"].partition("/")
            if session.get(EndpointRow, (location, environment, model)) is not None:
                place = alerts.MonitoredEndpoint(location, environment, model)
                alerts.follow_recalibrations(session, place, each["recalibrations"], now)
    for change in settled:  # each in a transaction of its own: a change is locked before its deployments
        with platform.database.transaction() as session:
            changes.complete_change(platform.turn(session), change)


@router.get("/locations/{location}/log/consistency", **action(Action.SERVE))
def consistency(location: str, first: LogSize, second: LogSize, platform: Shared) -> dict[str, list[str]]:  # noqa: ARG001 - the gate reads it
    """The proof that the audit log of `second` entries continues the one of `first`."""
    with platform.database.reading() as session:
        return {"proof": audit.consistency(session, first, second)}


@router.get("/artifacts/{digest}/manifest", **action(Action.SERVE))
def manifest(digest: str, platform: Shared, caller: Caller) -> Response:
    """The manifest of an artifact: exactly the bytes that hash to the digest."""
    _require_planned(platform, caller, digest)
    return Response(platform.store.manifest(parse_digest(digest)).encode(), media_type="application/json")


@router.get("/artifacts/{digest}/files/{path:path}", **action(Action.SERVE))
def file(digest: str, path: str, platform: Shared, caller: Caller) -> StreamingResponse:
    """One file of an artifact; `path` is looked up in the manifest, never in a file system."""
    _require_planned(platform, caller, digest)
    source = platform.store.open(parse_digest(digest), path)

    def chunks() -> Iterator[bytes]:
        with source:
            while chunk := source.read(_CHUNK_BYTES):
                yield chunk

    return StreamingResponse(chunks(), media_type="application/octet-stream")


def _require_planned(platform: Platform, caller: Principal, digest: str) -> None:
    """An agent fetches what its own location is to serve: a model does not leave for a place that nobody chose."""
    if caller.kind is not PrincipalKind.WORKLOAD:
        return
    with platform.database.reading() as session:
        rows = session.scalars(select(EndpointRow).where(EndpointRow.location == caller.location))
        if any(digest in arm.plan.values() for row in rows for arm in releases.arms_of(row)):
            return
    reason = f"other-location: the artifact is not part of what {caller.location} is to serve"
    denied = PolicyDecision(False, reason, ("other-location",))
    raise ForbiddenError(caller, Action.SERVE, Resource("artifact", digest), denied)


def _plans(platform: Platform, turn: changes.ChangeContext, location: str) -> dict[str, Any]:
    """Every endpoint of a location, all with proofs from the same newest checkpoint of the audit log."""
    everywhere = turn.session.scalars(select(EndpointRow)).all()
    require_all(turn.session, everywhere, EndpointRow)  # an agent goes on with what it has, rather than with less
    rows = [row for row in everywhere if row.location == location]
    checkpoint = audit.newest_checkpoint(turn.session)
    serving = [row for row in rows if not row.plan.get("withdrawn")]
    return {
        "endpoints": [endpoint_plan(turn, row, arm, checkpoint) for row in serving for arm in releases.arms_of(row)],
        "rollouts": {
            f"{row.environment}/{row.model}": rollout_plans
            for row in serving
            if (rollout_plans := releases.rollouts_of(row))
        },
        "keep_predictions_s": _keep_predictions_s(turn.session, location),
        "admittance": caller_admission.of_location(turn.session, platform, location, serving).to_json(),
    }


def _keep_predictions_s(session: Session, location: str) -> float | None:
    """How long the location keeps its prediction log: never less than a law asks for."""
    place = settings.current(session).locations.get(location)
    keep_s = place.keep_predictions_s if place else None
    return None if keep_s is None else max(keep_s, compliance.predictions_locked_s(session))
