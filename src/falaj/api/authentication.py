"""Who sends a request: a workload by its certificate, the installation by its token, people and services by theirs.

A browser sends the session of a person as a cookie.
"""

from __future__ import annotations

import hmac

from fastapi import Request

from falaj.api.browser_session import cookie_secret
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
    """The principal of a request: client certificate first, then a token, then the cookie of a browser.

    Raises:
        UnauthenticatedError: Nothing in the request proves who sends it (`auth.unauthenticated`).
        CrossSiteError: A page of another site made a browser send it (`auth.cross-site`).
    """
    peer = request.scope.get(PEER)
    if isinstance(peer, Principal):
        return peer
    secret = secret_of(request, platform)
    own = not request.scope.get(DOOR)
    principal = _bearer(secret, platform, own=own) if secret else None
    if principal is None:
        raise UnauthenticatedError(
            "this request carries no valid token",
            where=f"{request.method} {request.url.path}",
            hint="falaj login, or send 'Authorization: Bearer' with a token",
        )
    return principal


def secret_of(request: Request, platform: Platform) -> str:
    """The token or session that a request carries, in its header or as a cookie; empty for none."""
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    return (offered if scheme.lower() == "bearer" else "") or cookie_secret(request, platform.home)


def _bearer(offered: str, platform: Platform, *, own: bool) -> Principal | None:
    """Whose token it is; the installation's own is good on its own machine alone."""
    if own and hmac.compare_digest(offered.encode(), platform.home.token.encode()):
        return Principal(HOME, PrincipalKind.SERVICE)
    with platform.database.reading() as session:
        return identity.authenticate(session, offered, platform.now())
