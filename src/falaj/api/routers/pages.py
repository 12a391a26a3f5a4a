"""Pages for browsers: self-contained, without anything of others."""

from __future__ import annotations

import secrets
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from falaj.api.route_actions import Action, action

router = APIRouter(tags=["pages"])

SECURITY_KEY = "/security-key"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-create=(self), publickey-credentials-get=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@router.get(SECURITY_KEY, response_class=HTMLResponse, **action(Action.PUBLIC))
def security_key() -> HTMLResponse:
    """Where a browser asks for a security key: registered, or touched for an approval.

    The page knows nothing and asks the server for nothing: a terminal on the same machine gives it the options behind
    the `#` of its address, and gets the answer back at a port of that machine.
    """
    nonce = secrets.token_urlsafe(18)
    return HTMLResponse(
        _template().replace("{nonce}", nonce), headers={**_HEADERS, "Content-Security-Policy": content_policy(nonce)}
    )


def content_policy(nonce: str) -> str:
    """What the page may do: run its own script and style, and nothing else."""
    allowed = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
    return (
        f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


@cache
def _template() -> str:
    return (files("falaj.api") / "pages" / "security_key.html").read_text(encoding="utf-8")
