"""Who may ask an endpoint: callers that people add and revoke, and what locations are told of them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.control.releases.endpoints import endpoints_of, next_version, subject_of
from falaj.core.errors import ConflictError, NotFoundError
from falaj.storage import EndpointRow
from falaj.storage.caller_tables import CallerRow
from falaj.trust.audit import record

TOKEN, CERTIFICATE = "token", "certificate"


class CallerExistsError(ConflictError):
    """A caller of this name may ask already."""

    code = "endpoint.caller-exists"


class UnknownCallerError(NotFoundError):
    """No such caller may ask."""

    code = "endpoint.caller-unknown"


@dataclass(frozen=True)
class NewCaller:
    """A caller to add.

    Args:
        environment: Of the endpoint.
        model: Of the endpoint.
        name: What people call it.
        kind: `token` or `certificate`.
        expires_at: Until when its credential is good, unix seconds.
    """

    environment: str
    model: str
    name: str
    kind: str
    expires_at: float


def add(session: Session, new: NewCaller, actor: str, now: float) -> CallerRow:
    """Let a caller ask; its locations hear of it at once.

    Args:
        session: The caller's transaction.
        new: Whom, and where.
        actor: Principal id of who adds.
        now: Unix seconds.

    Raises:
        CallerExistsError: One of this name may ask already.
        NotFoundError: There is no such endpoint.
    """
    require_endpoint(session, new.environment, new.model)
    if any(row.name == new.name for row in active(session, new.environment, new.model, now)):
        raise CallerExistsError(
            f"{new.name} may ask {new.environment}/{new.model} already",
            hint="falaj endpoint caller revoke, or another name",
        )
    row = CallerRow(
        id=f"c-{secrets.token_hex(8)}", environment=new.environment, model=new.model, name=new.name, kind=new.kind,
        created_at=now, created_by=actor, expires_at=new.expires_at,
    )  # fmt: skip
    session.add(row)
    _tell(session, row)
    details = {"caller": row.id, "name": row.name, "kind": row.kind, "expires_at": row.expires_at}
    record.write(session, "endpoint.caller-added", actor, subject_of(new.environment, new.model), now, details)
    return row


def revoke(session: Session, environment: str, model: str, name: str, actor: str, now: float) -> CallerRow:
    """Let a caller ask no more.

    Args:
        session: The caller's transaction.
        environment: Of the endpoint.
        model: Of the endpoint.
        name: Its name or its pseudonym.
        actor: Principal id of who revokes.
        now: Unix seconds.

    Raises:
        UnknownCallerError: There is none.
    """
    rows = active(session, environment, model, now)
    row = next((each for each in rows if name in (each.name, each.id)), None)
    if row is None:
        hint = "falaj endpoint caller list shows them"
        raise UnknownCallerError(f"no caller '{name}' of {environment}/{model}", hint=hint)
    row.ended_at, row.ended_by = now, actor
    _tell(session, row)
    details = {"caller": row.id, "name": row.name}
    record.write(session, "endpoint.caller-revoked", actor, subject_of(environment, model), now, details)
    return row


def of_endpoint(environment: str, model: str) -> Select[CallerRow]:
    """All callers of an endpoint, those that are out too, in no order."""
    return select(CallerRow).where(CallerRow.environment == environment, CallerRow.model == model)


def active(session: Session, environment: str, model: str, now: float) -> list[CallerRow]:
    """Callers that may ask now."""
    query = of_endpoint(environment, model).order_by(CallerRow.created_at.desc(), CallerRow.id)
    rows = session.scalars(query)
    return [row for row in rows if row.ended_at is None and row.expires_at > now]


def require_endpoint(session: Session, environment: str, model: str) -> list[EndpointRow]:
    """The endpoint of a model in an environment, at each of its locations.

    Raises:
        NotFoundError: There is none.
    """
    rows = endpoints_of(session, model, environment)
    if not rows:
        hint = "falaj endpoint list lists them"
        raise NotFoundError(f"no endpoint '{environment}/{model}'", hint=hint, code="endpoint.not-found")
    return rows


def _tell(session: Session, row: CallerRow) -> None:
    """Give the desired state of every location of the endpoint a new version."""
    for endpoint in endpoints_of(session, row.model, row.environment):
        endpoint.version = next_version(session, endpoint.location)
    session.flush()
