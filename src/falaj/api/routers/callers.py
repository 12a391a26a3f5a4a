"""Callers of endpoints: adding them, and revoking them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from falaj.api import authorization
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import action
from falaj.control import releases
from falaj.control.releases import callers
from falaj.schemas import states
from falaj.schemas.callers import AddedCaller, EndpointCaller
from falaj.storage import EndpointRow
from falaj.storage.caller_tables import CallerRow
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.trust.policy import Action, Resource

router = APIRouter(prefix="/api/v1", tags=["callers"])

DAY_S = 86_400.0
_CALLERS = paged("-created_at", {"created_at": (CallerRow.created_at, CallerRow.id)})
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$")]


class CallerCreate(BaseModel):
    """Whom to add, and for how long; with a request for a certificate (PKCS#10, PEM) it shows that, else a token."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    life_s: float = Field(default=90 * DAY_S, ge=60, le=400 * DAY_S)
    request: Annotated[str, StringConstraints(max_length=8192)] | None = None


@router.get(
    "/endpoints/{environment}/{model}/callers",
    response_model=list[EndpointCaller],
    **action(Action.READ, refined=True),
)
def list_callers(
    environment: str,
    model: str,
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_CALLERS)],
) -> list[EndpointCaller]:
    """All callers of an endpoint, those that were revoked too, the newest first."""
    _require(platform, caller, Action.READ, environment, model)
    with platform.database.reading() as session:
        rows = page.rows(session, callers.of_endpoint(environment, model))
        locations = releases.endpoints_of(session, model, environment)
        return [_document(locations, row, platform.now()) for row in rows]


@router.post(
    "/endpoints/{environment}/{model}/callers",
    response_model=AddedCaller,
    **action(Action.MANAGE_CALLERS, refined=True),
)
def add(environment: str, model: str, body: CallerCreate, platform: Shared, caller: Caller) -> AddedCaller:
    """Let somebody ask an endpoint; the answer holds the credential, which cannot be shown again."""
    _require(platform, caller, Action.MANAGE_CALLERS, environment, model)
    holder = None if body.request is None else certificates.requested_key(body.request)
    now = platform.now()
    kind = callers.TOKEN if holder is None else callers.CERTIFICATE
    with platform.database.transaction() as session:
        new = callers.NewCaller(environment, model, body.name, kind, now + body.life_s)
        row = callers.add(session, new, caller.id, now)
        document = _document(releases.endpoints_of(session, model, environment), row, now)
    if holder is None:
        return AddedCaller(document, platform.caller_key.token(row.id, now, row.expires_at))
    return AddedCaller(document, platform.authority.issue_caller(holder, row.id, now, row.expires_at))


@router.delete(
    "/endpoints/{environment}/{model}/callers/{name}",
    response_model=EndpointCaller,
    **action(Action.MANAGE_CALLERS, refined=True),
)
def revoke(environment: str, model: str, name: str, platform: Shared, caller: Caller) -> EndpointCaller:
    """Let a caller ask no more; its locations hear of it at once, and the list says which of them have done it."""
    _require(platform, caller, Action.MANAGE_CALLERS, environment, model)
    now = platform.now()
    with platform.database.transaction() as session:
        row = callers.revoke(session, environment, model, name, caller.id, now)
        return _document(releases.endpoints_of(session, model, environment), row, now)


def _require(platform: Platform, caller: Caller, action: Action, environment: str, model: str) -> None:
    with platform.database.reading() as session:
        project = releases.require_owner(session, model)
    resource = Resource("endpoint", f"{environment}/{model}", project=project, environment=environment)
    authorization.require(platform, caller, action, resource)


def _document(locations: Sequence[EndpointRow], row: CallerRow, now: float) -> EndpointCaller:
    state: states.CallerState = (
        "revoked" if row.ended_at is not None else "expired" if row.expires_at <= now else "active"
    )
    return EndpointCaller(
        id=row.id, endpoint=f"{row.environment}/{row.model}", name=row.name, kind=cast("states.CallerKind",
        row.kind), state=state,
        created_at=row.created_at, created_by=row.created_by, expires_at=row.expires_at, ended_at=row.ended_at,
        let_in_at=[each.location for each in locations if row.id in each.status.get("callers", ())],
    )  # fmt: skip
