"""JSON over HTTP with the standard library; problem documents become errors."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from falaj.errors import FalajError, UnavailableError

_EXIT_CODES = {400: 2, 401: 2, 404: 3, 409: 4, 422: 5, 503: 6}


class ServerUnreachableError(UnavailableError):
    """Nothing answers at the server's address."""

    code = "server.unreachable"


class ProblemError(FalajError):
    """The server answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        said = [document.get("title") or f"the server answered {status}", document.get("detail", "")]
        super().__init__(
            ": ".join(part for part in said if part),
            where=document.get("where", ""),
            hint=document.get("hint", ""),
            code=document.get("code", f"http.{status}"),
        )
        self.status = status
        self.exit_code = _EXIT_CODES.get(status, 1)


class Transport:
    """Requests to one server.

    Args:
        url: Base URL, `http://host:port`.
        token: Bearer token of the installation; empty for none.
        timeout_s: For connecting and for each read.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 60.0) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s

    def json(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """One request; the parsed answer, or None when it is empty.

        Raises:
            ProblemError: The server refused.
            ServerUnreachableError: Nothing answers.
        """
        response = self._send(method, path, body, query)
        content = response.read()
        return json.loads(content) if content else None

    def text(self, path: str) -> str:
        """The answer of a GET as text."""
        return self._send("GET", path, None, None).read().decode()

    def events(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Server-sent events of a GET, until the server closes the stream."""
        for line in self._send("GET", path, None, query):
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, Any] | None) -> http.client.HTTPResponse:
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        target = path + ("?" + urlencode(wanted) if wanted else "")
        content = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        connection_class = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = connection_class(self._url.netloc, timeout=self._timeout_s)
        try:
            connection.request(method, self._url.path + target, content, headers)
            response = connection.getresponse()
        except OSError as error:
            raise ServerUnreachableError(
                f"no server answers at {self._url.geturl()}", hint="falaj up starts it; falaj doctor looks for causes"
            ) from error
        if response.status >= 400:
            raise ProblemError(response.status, parse_problem(response.read()))
        return response


def parse_problem(content: bytes) -> dict[str, Any]:
    """The problem document of an answer, or a document made of its text."""
    try:
        document = json.loads(content)
    except ValueError:
        return {"title": content.decode(errors="replace")[:300]}
    return document if isinstance(document, dict) else {"title": str(document)}
