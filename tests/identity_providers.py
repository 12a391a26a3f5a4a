"""Identity providers for tests, on loopback: a real one, and one that lies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.servers import _die_with_parent, free_ports
from tests.waiting import HANGS_AFTER_S

NANOIDP = Path(sys.executable).parent / "nanoidp"
PASSWORD = "pw-of-mariam"
USERS = {
    "mariam": {
        "password": PASSWORD, "email": "mariam@example.org", "groups": ["release-managers", "ml"], "tenant": "default",
    },
}  # fmt: skip


@contextmanager
def run_nanoidp(folder: Path, callback: str) -> Iterator[str]:
    """Run nanoidp with OAuth 2.1's strictness; yield its issuer. `falaj` is a public client, `falaj-secret` not."""
    [port] = free_ports(1)
    issuer = f"http://127.0.0.1:{port}"
    (folder / "settings.yaml").write_text(json.dumps(_settings(issuer, port, callback)))
    (folder / "users.yaml").write_text(json.dumps({"config_version": 1, "users": USERS}))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(NANOIDP), "--config", str(folder), "--profile", "oauth21", "--port", str(port)],
            stdout=log, stderr=log, preexec_fn=_die_with_parent, cwd=folder,
        )  # fmt: skip
    try:
        _await(f"{issuer}/.well-known/openid-configuration", process, folder / "log")
        yield issuer
    finally:
        process.kill()
        process.wait()


def prove_at_nanoidp(browser: httpx.Client, address: str, password: str = PASSWORD) -> str:
    """Be a person at the provider's page; return where it sends the browser."""
    page = browser.get(address)
    assert page.status_code == 200, page.text
    [transaction] = set(re.findall(r'name="transaction_id" value="([^"]+)"', page.text))
    form = {"transaction_id": transaction, "username": "mariam", "password": password}
    answer = browser.post(address.partition("?")[0], data=form)
    return str(answer.headers["location"])


@dataclass
class Liar:
    """A provider that says whatever a test wants.

    Attributes:
        issuer: Its address.
        key: Whose public half it publishes.
        published: The keys of its key set, when they are others.
        claims: Changes to the honest claims; None leaves a claim out.
        header: Changes to the honest header.
        sign: Makes a token of header and claims, when not `key` does.
        changes: Changes to its description of itself.
        code: The only code that it takes.
        requests: Paths that were asked for.
        forms: What was sent to its token endpoint.
    """

    issuer: str
    key: RSAKey
    published: list[dict[str, Any]] | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    code: str = "good"
    nonce: str = ""
    requests: list[str] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)

    def honest(self) -> dict[str, Any]:
        """The claims that a good provider would make."""
        now = int(time.time())
        return {
            "iss": self.issuer, "sub": "4711", "aud": "falaj", "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": self.nonce, "email": "omar@example.org", "email_verified": True, "preferred_username": "omar",
            "groups": ["ml"],
        }  # fmt: skip

    def token(self) -> str:
        """The token of the next exchange."""
        merged = self.honest() | self.claims
        claims = {name: value for name, value in merged.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid} | self.header
        return self.sign(header, claims) if self.sign else jwt.encode(header, claims, self.key)

    def answer(self, path: str, form: Mapping[str, str] | None) -> tuple[int, Any]:
        """What it says to a request."""
        self.requests.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, self._description() | self.changes
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)] if self.published is None else self.published}
        if form is None:
            return 404, {}
        self.forms.append(form)
        code_matches = form.get("code") == self.code
        return (200, {"id_token": self.token()}) if code_matches else (400, {"error": "invalid_grant"})

    def _description(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        }  # fmt: skip


@contextmanager
def run_liar() -> Iterator[Liar]:
    """Run a provider that lies when told to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _LiarHandler)
    key = RSAKey.generate_key(2048, {"kid": "first"})
    server.liar = Liar(f"http://127.0.0.1:{server.server_port}", key)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.liar  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


class _LiarHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(None)

    def do_POST(self) -> None:
        form_text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._say({name: values[0] for name, values in parse_qs(form_text).items()})

    def _say(self, form: Mapping[str, str] | None) -> None:
        liar: Liar = self.server.liar  # type: ignore[attr-defined]
        status, document = liar.answer(urlsplit(self.path).path, form)
        content = json.dumps(document).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", document["to"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _settings(issuer: str, port: int, callback: str) -> dict[str, Any]:
    public = {"client_id": "falaj", "token_endpoint_auth_method": "none", "redirect_uris": [callback]}
    confidential = {"client_id": "falaj-secret", "client_secret": "s3cret", "redirect_uris": [callback]}
    return {
        "config_version": 1,
        "server": {"host": "127.0.0.1", "port": port},
        "oauth": {
            "issuer": issuer, "audience": "none", "token_expiry_minutes": 60, "clients": [public, confidential],
        },
    }  # fmt: skip


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the provider did not start:\n{log.read_text(errors='replace')[-3000:]}")
