"""The web UI: one page for every address that a browser opens, and its files under addresses that never change.

The files are built from `ui/` and lie in `falaj/ui`. They know nothing of an installation; what a page shows it asks of
the API, with the session of its reader.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from falaj.api.browser_session import is_own_host
from falaj.api.problems import problem
from falaj.core.home import Home

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PAGES = frozenset({
    "", "accounts", "alerts", "audit", "changes", "compare", "compliance", "data", "endpoints", "lineage", "login",
    "me", "models", "monitoring", "password", "platform", "policy", "predictions", "privacy", "projects", "rollouts",
    "runs", "setup",
})  # fmt: skip
"""First segments of the addresses of pages."""
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FOR_EVER, _NEVER = "public, max-age=31536000, immutable", "no-cache"
_SHELL = "index.html"


@dataclass(frozen=True)
class BuiltFile:
    """A file of the build, as it is sent.

    Attributes:
        content: Its bytes.
        compressed: The same by gzip.
        media_type: What it is.
    """

    content: bytes
    compressed: bytes
    media_type: str


class UserInterface:
    """Answers browsers that open a page or fetch a file of the web UI.

    Args:
        app: What answers the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        answer = _answer(Request(scope)) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        await (answer or self._app)(scope, receive, send)


def _answer(request: Request) -> Response | None:
    """The answer to a browser; None where another part of the server answers."""
    match request.url.path.split("/"):
        case ["", "assets", digest, name]:
            return _asset(request, digest, name)
        case ["", first, *_] if first in PAGES and "text/html" in request.headers.get("accept", ""):
            return _page(request, request.app.state.platform.home)
    return None


def _asset(request: Request, digest: str, name: str) -> Response:
    file = build().get(name) if digest == build_digest() and name != _SHELL else None
    if file is None:
        return problem(404, "ui.asset", "no file of the web UI has this address", hint="load the page again")
    return _sent(request, file, _FOR_EVER)


def _page(request: Request, home: Home) -> Response:
    host = request.headers.get("host", "")
    if is_own_host(host, home):
        return _sent(request, build()[_SHELL], _NEVER)
    if host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{home.ui_url}{request.url.path}{query}", 307)  # the browser keeps what follows a `#`
    hint = f"open {home.ui_url}, or let FALAJ_PUBLIC_URL name this address"
    return problem(421, "ui.address", "the web UI has another address", hint=hint)


def _sent(request: Request, file: BuiltFile, caching: str) -> Response:
    headers = {**_HEADERS, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


@cache
def build() -> Mapping[str, BuiltFile]:
    """The files of the web UI by name; the page names the others under their digest."""
    contents = _contents()
    shell = contents[_SHELL].replace(b"{digest}", build_digest().encode())
    return {name: _built(name, content) for name, content in {**contents, _SHELL: shell}.items()}


@cache
def build_digest() -> str:
    """Names a build: files of another one have other addresses."""
    everything = hashlib.sha256()
    for name, content in sorted(_contents().items()):
        everything.update(f"{name} {len(content)}\n".encode() + content)
    return everything.hexdigest()[:16]


@cache
def _contents() -> Mapping[str, bytes]:
    return {each.name: each.read_bytes() for each in (files("falaj") / "ui").iterdir() if each.is_file()}


def _built(name: str, content: bytes) -> BuiltFile:
    return BuiltFile(content, gzip.compress(content, mtime=0), _TYPES["." + name.rpartition(".")[2]])
