"""The gate before every route, and what handlers ask when their path does not say what they act on.

The gate finds out who asks, refuses what policy does not permit, and leaves the principal for the handler. A route
whose path or query names a project, run, release, environment or location is judged by that; one that names nothing is
judged for the whole tenant, unless it declares that its handler asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from falaj.api.authentication import UnauthenticatedError, authenticate
from falaj.api.browser_session import note_use
from falaj.api.platform import Platform
from falaj.api.resources import resource_of, resource_of_subject
from falaj.api.route_actions import asks_again, declared
from falaj.core.principal import Principal
from falaj.schemas import api
from falaj.trust.policy import Action, ForbiddenError, Resource, bindings_of, decide
from falaj.trust.policy import require as require_in

_DECISION_LIFE_S = 5.0
"""How long a decision about events of a subject holds; a role that was taken away ends within this time."""


async def gate(request: Request) -> None:
    """The dependency of every route; a public one takes no thread of those that ask the database.

    Raises:
        UnauthenticatedError: The route is not public and the request proves no principal.
        ForbiddenError: Policy does not permit the action.
    """
    required_action = declared(request.scope["route"])
    if required_action is not Action.PUBLIC:
        await run_in_threadpool(_require_permitted, request, required_action)


def _require_permitted(request: Request, required_action: Action | None) -> None:
    platform: Platform = request.app.state.platform
    route = request.scope["route"]
    if required_action is None:  # the application does not start with such a route; this is the second lock
        raise UnauthenticatedError("this route declares no action", where=request.url.path)
    principal = request.state.principal = authenticate(request, platform)
    note_use(request, platform)
    with platform.database.reading() as session:
        resource = resource_of(session, request)
        context = {"now": platform.now()}
        decision = decide(session, principal, required_action, resource, context, anywhere=asks_again(route))
    if not decision.allowed:
        raise ForbiddenError(principal, required_action, resource, decision)
    request.state.passed_gate = True


def passed_gate(request: Request) -> bool:
    """Whether a request was let through to its handler, so that what is refused now is refused by that."""
    return bool(getattr(request.state, "passed_gate", False))


async def _caller(request: Request) -> Principal:
    principal = getattr(request.state, "principal", None)
    if not isinstance(principal, Principal):
        raise UnauthenticatedError("this request carries no valid token", where=request.url.path)
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""Who sends the request; a parameter of handlers whose route is not public."""


def require(
    platform: Platform,
    principal: Principal,
    action: Action,
    resource: Resource,
    context: Mapping[str, Any] | None = None,
) -> None:
    """Ask policy about the resource itself; the present time is added to the context.

    Raises:
        ForbiddenError: It is not permitted; the reason names the policy (`auth.forbidden`).
    """
    with platform.database.reading() as session:
        require_in(session, principal, action, resource, {"now": platform.now(), **(context or {})})


def require_reach(
    platform: Platform, session: Session, principal: Principal, action: Action, resource: Resource
) -> None:
    """Refuse who holds no role in the project of a resource, before anything is looked at that would tell of it.

    What is permitted to those who hold one is asked later, with all that is then known.

    Args:
        platform: The installation.
        session: The handler's transaction.
        principal: Who asks.
        action: What it wants to do.
        resource: To what; without a project where it does not exist.

    Raises:
        ForbiddenError: It holds roles in other projects alone (`auth.forbidden`).
    """
    projects = _projects_of(session, principal)
    if projects is not None and resource.project not in projects:
        raise ForbiddenError(principal, action, resource, decide(session, principal, action, resource, _now(platform)))


class EventPermission:
    """Which events the sender of a request may read, for as long as its token holds.

    Args:
        platform: The installation.
        request: Of the reader.
        principal: Who reads.
    """

    def __init__(self, platform: Platform, request: Request, principal: Principal) -> None:
        self._platform, self._request, self._principal = platform, request, principal
        self._decisions: dict[str, bool] = {}
        self._decided_at = 0.0

    def permitted(self, session: Session, events: Sequence[api.Event]) -> list[api.Event]:
        """The events about what the reader may read."""
        return [event for event in events if self._may_read(session, event.subject)]

    def still_valid(self) -> bool:
        """Whether the request would be let in again."""
        with suppress(UnauthenticatedError):
            return authenticate(self._request, self._platform).id == self._principal.id
        return False

    def _may_read(self, session: Session, subject: str) -> bool:
        now = self._platform.now()
        if now - self._decided_at > _DECISION_LIFE_S:
            self._decisions, self._decided_at = {}, now
        if subject not in self._decisions:
            resource = resource_of_subject(session, subject)
            decision = decide(session, self._principal, Action.READ, resource, {"now": now})
            self._decisions[subject] = decision.allowed
        return self._decisions[subject]


def readable(platform: Platform, principal: Principal) -> frozenset[str] | None:
    """The projects whose runs and releases a principal may read; None for all of them."""
    with platform.database.reading() as session:
        return _projects_of(session, principal)


def _projects_of(session: Session, principal: Principal) -> frozenset[str] | None:
    projects = {binding.project for binding in bindings_of(session, principal)}
    return None if None in projects else frozenset(name for name in projects if name is not None)


def _now(platform: Platform) -> dict[str, Any]:
    return {"now": platform.now()}
