"""The session of a browser: a cookie that scripts cannot read, good at the address of the web UI alone.

A browser sends its cookies by itself, so that a request which changes something must also show that a page of ours
sent it: by its `Origin`, which no page can choose, and by a header that other sites may not send.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from falaj.api.platform import Platform
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.trust import identity

CSRF_HEADER = "x-falaj-csrf"
BACKGROUND_HEADER = "x-falaj-background"
"""On what a page asks by itself, so that a tab which nobody looks at does not keep its session alive."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_EVENTS = "/api/v1/events"


class CrossSiteError(FalajError):
    """A browser sent this from a page of another site."""

    code, status, exit_code = "auth.cross-site", 403, 7


def cookie_name(home: Home) -> str:
    """Over TLS a name that browsers take from this very host alone."""
    return "__Host-falaj" if _is_secure(home) else "falaj"


def cookie_secret(request: Request, home: Home) -> str:
    """The secret of the session that a browser sends; empty where there is none, or a token is sent beside it.

    Raises:
        CrossSiteError: It would change something, and no page of the web UI sent it.
    """
    secret = request.cookies.get(cookie_name(home), "")
    if (
        not secret.startswith("falaj-session.")
        or "authorization" in request.headers
        or not is_own_host(request.headers.get("host", ""), home)
    ):
        return ""
    if request.method not in _READING:
        require_own_page(request, home)
    return secret


def require_own_page(request: Request, home: Home) -> None:
    """Refuse what pages of other sites make a browser send.

    Raises:
        CrossSiteError: `Origin` is another one, or the header of our pages is not there.
    """
    if request.headers.get("origin") != home.ui_url or CSRF_HEADER not in request.headers:
        raise CrossSiteError(
            "a browser's session changes things from pages of the web UI alone",
            where=f"{request.method} {request.url.path}",
            hint=f"open {home.ui_url}, or send 'Authorization: Bearer' with a token",
        )


def is_own_host(host: str, home: Home) -> bool:
    """Whether a request was sent to the address of the web UI."""
    return host.lower() == urlsplit(home.ui_url).netloc.lower()


def note_use(request: Request, platform: Platform) -> None:
    """Note that a person used the session of a browser; what a page asks by itself keeps none alive."""
    secret = cookie_secret(request, platform.home)
    if secret and BACKGROUND_HEADER not in request.headers and request.url.path != _EVENTS:
        platform.session_use.note(secret, platform.now())


def give_cookie(answer: Response, platform: Platform, secret: str) -> None:
    """Hand a session over to the browser; it ends after an hour without use."""
    with platform.database.transaction() as session:
        row = identity.give_to_browser(session, secret, platform.now())
        life_s = int(row.expires_at - platform.now())
    secure = _is_secure(platform.home)
    answer.set_cookie(
        cookie_name(platform.home), secret, max_age=life_s, path="/", secure=secure, httponly=True, samesite="strict"
    )


def take_cookie(answer: Response, home: Home) -> None:
    """Let the browser forget the session."""
    answer.delete_cookie(cookie_name(home), path="/", secure=_is_secure(home), httponly=True, samesite="strict")


def _is_secure(home: Home) -> bool:
    return home.ui_url.startswith("https:")
