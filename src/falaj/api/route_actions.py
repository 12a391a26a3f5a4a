"""Deny by default: each route says which action it performs, and an application with a silent route does not start."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from falaj.trust.policy import Action

__all__ = ["Action", "action", "asks_again", "declared", "require_actions", "walk"]

_ASKED_AGAIN = frozenset(
    {
        Action.REQUEST_CHANGE,
        Action.APPROVE_CHANGE,
        Action.REJECT_CHANGE,
        Action.CANCEL_CHANGE,
        Action.REVIEW_CHANGE,
        Action.ROLLBACK,
        Action.STEER_ROLLOUT,
        Action.OVERRIDE_ROLLOUT,
        Action.DECIDE_GATE,
        Action.ARCHIVE_RELEASE,
        Action.RETIRE_RELEASE,
        Action.REVOKE_RELEASE,
    }
)
"""Decisions about changes and releases: their domain asks again, with the change and its environment."""


def action(name: Action, *, refined: bool = False, bounded: str = "") -> dict[str, Any]:
    """The keyword that every route passes: `@router.get(path, **action(Action.READ))`.

    Args:
        name: What the route does.
        refined: The handler itself bounds what it does by the caller's projects and environments, with
            `access.require` or `access.readable`; before it runs, a role in any scope is enough.
        bounded: What keeps a list short that comes whole, not in pages.
    """
    extra = {"x-falaj-action": name.value, "x-falaj-refined": refined, "x-falaj-bounded": bounded}
    return {"openapi_extra": {key: value for key, value in extra.items() if value}}


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
    return [
        (route_context.path or "", route_context.route)
        for route_context in contexts
        if isinstance(route_context.route, APIRoute)
    ]


def declared(route: APIRoute) -> Action | None:
    """The action that a route declares."""
    value = (route.openapi_extra or {}).get("x-falaj-action")
    return None if value is None else Action(value)


def asks_again(route: APIRoute) -> bool:
    """Whether what the route calls asks again with the resource itself."""
    return declared(route) in _ASKED_AGAIN or bool((route.openapi_extra or {}).get("x-falaj-refined"))
