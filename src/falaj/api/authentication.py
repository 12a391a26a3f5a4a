"""Who sends a request: a workload by its certificate, the installation by its token, a person or service by theirs."""

from __future__ import annotations

import hmac

from fastapi import Request

from falaj.api.platform import Platform
from falaj.core.errors import FalajError
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.trust import identity

PEER = "falaj.peer"
"""Where a listener with client certificates puts the workload that it verified, in the ASGI scope.

Nothing that a client sends reaches this key; only the process that ends the TLS connection writes it.
"""

DOOR = "falaj.door"
"""In the ASGI scope of what comes from other machines."""


class UnauthenticatedError(FalajError):
    """The request carries no valid token."""

    code, status, exit_code = "auth.unauthenticated", 401, 2


def authenticate(request: Request, platform: Platform) -> Principal:
    """The principal of a request: client certificate first, then the home token, then tokens of people and services.

    Raises:
        UnauthenticatedError: Nothing in the request proves who sends it (`auth.unauthenticated`).
    """
    peer = request.scope.get(PEER)
    if isinstance(peer, Principal):
        return peer
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    own = not request.scope.get(DOOR)
    principal = _bearer(offered, platform, own=own) if scheme.lower() == "bearer" and offered else None
    if principal is None:
        raise UnauthenticatedError(
            "this request carries no valid token",
            where=f"{request.method} {request.url.path}",
            hint="falaj login, or send 'Authorization: Bearer' with a token",
        )
    return principal


def _bearer(offered: str, platform: Platform, *, own: bool) -> Principal | None:
    """Whose token it is; the installation's own is good on its own machine alone."""
    if own and hmac.compare_digest(offered.encode(), platform.home.token.encode()):
        return Principal(HOME, PrincipalKind.SERVICE)
    with platform.database.reading() as session:
        return identity.authenticate(session, offered, platform.now())
