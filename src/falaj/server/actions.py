"""Deny by default: each route says which action it performs and how its caller proves who it is."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts

from falaj.errors import FalajError


class UnauthenticatedError(FalajError):
    """The request carries no valid token."""

    code, status, exit_code = "auth.unauthenticated", 401, 2


class Action(StrEnum):
    """What a route does, as policy names it."""

    READ = "read"
    TRIGGER = "trigger"
    RUN = "run"
    CONFIGURE = "configure"
    OPERATE = "operate"
    MANAGE_PLATFORM = "manage-platform"
    SERVE = "serve"
    PUBLIC = "public"
    """Answers anyone: liveness, and webhooks, which prove themselves by their own signature."""


def action(name: Action) -> dict[str, Any]:
    """The keyword that every route passes: `@router.get(path, **action(Action.READ))`."""
    return {"openapi_extra": {"x-falaj-action": name.value}}


def require_actions(app: FastAPI) -> None:
    """Refuse an application with a route that does not say its action.

    Raises:
        RuntimeError: Names the routes.
    """
    silent = [f"{sorted(route.methods or ())} {path}" for path, route in walk(app) if declared(route) is None]
    if silent:
        raise RuntimeError(f"routes without an action: {', '.join(silent)}")


def walk(app: FastAPI | APIRouter) -> list[tuple[str, APIRoute]]:
    """Every route of the API with its full path, those of included routers too."""
    contexts = iter_route_contexts(app.routes)
    return [(found.path or "", found.route) for found in contexts if isinstance(found.route, APIRoute)]


def declared(route: APIRoute) -> Action | None:
    """The action that a route declares."""
    value = (route.openapi_extra or {}).get("x-falaj-action")
    return None if value is None else Action(value)


def authenticator(token: str) -> Callable[[Request], None]:
    """A dependency that lets a request pass when it carries the installation's token, or when its route is public."""
    expected = f"Bearer {token}".encode()

    def authenticate(request: Request) -> None:
        if declared(request.scope["route"]) is Action.PUBLIC:
            return
        offered = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(offered, expected):
            raise UnauthenticatedError(
                "this request carries no valid token",
                where=f"{request.method} {request.url.path}",
                hint="send 'Authorization: Bearer' with the content of <home>/token",
            )

    return authenticate
