"""What a browser on this machine does for a command: a listener that it comes back to, once.

Source: RFC 8252 (OAuth 2.0 for native apps), section 7.3.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from falaj.core.errors import FalajError

WAIT_S = 300.0
_READ_S = 5.0
_PAGE = b"<!doctype html><title>Falaj</title><p>You can close this window and go back to the terminal.</p>"


class BrowserLoginError(FalajError):
    """The browser brought no code back."""

    code, status, exit_code = "federation.refused", 401, 2


class RedirectListener:
    """The address on this machine that a browser comes back to, and the listener behind it."""

    def __init__(self) -> None:
        path = f"/{secrets.token_urlsafe(16)}"  # whoever comes without it was not sent by us
        self._listener = _RedirectListener(path)
        self.address = f"http://127.0.0.1:{self._listener.server_port}{path}"

    def close(self) -> None:
        """Listen no more."""
        self._listener.server_close()

    def wait(self, wait_s: float) -> dict[str, str]:
        """Wait for the browser; return what it brought.

        Raises:
            BrowserLoginError: It did not come.
        """
        deadline = time.monotonic() + wait_s
        while not self._listener.brought:
            self._listener.timeout = deadline - time.monotonic()
            if self._listener.timeout <= 0:
                raise BrowserLoginError("the browser did not come back", hint="the command begins again")
            self._listener.handle_request()
        return self._listener.brought


class BrowserLogin:
    """One login: the address for the browser, and the listener that it comes back to. Use it in a `with` block.

    Args:
        start: Where the server sends browsers to the identity provider.
    """

    def __init__(self, start: str) -> None:
        self.verifier = secrets.token_urlsafe(48)
        self._comeback = RedirectListener()
        query = {"challenge": _s256(self.verifier), "return_to": self._comeback.address}
        self.address = f"{start}?{urlencode(query)}"

    def __enter__(self) -> BrowserLogin:
        return self

    def __exit__(self, *_: object) -> None:
        self._comeback.close()

    def code(self, wait_s: float = WAIT_S) -> str:
        """Wait for the browser; return the one-time code.

        Raises:
            BrowserLoginError: It brought a refusal, or did not come.
        """
        brought = self._comeback.wait(wait_s)
        if "code" not in brought:
            why = brought.get("error_description", "the login was refused")
            raise BrowserLoginError(why[:300], code=brought.get("error", "federation.refused")[:60])
        return brought["code"]


class _RedirectListener(HTTPServer):
    allow_reuse_address = False

    def __init__(self, path: str) -> None:
        self.path = path
        self.brought: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = _READ_S  # one connection that says nothing does not keep the browser out
    server: _RedirectListener

    def do_GET(self) -> None:
        url_parts = urlsplit(self.path)
        mine = secrets.compare_digest(url_parts.path.encode(), self.server.path.encode())
        if mine:
            self.server.brought = {name: values[0] for name, values in parse_qs(url_parts.query).items()}
        self.send_response(200 if mine else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(_PAGE if mine else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
        """Say nothing: an address holds the code."""


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
