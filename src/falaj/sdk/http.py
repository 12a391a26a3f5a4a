"""JSON over HTTP with the standard library; problem documents become errors."""

from __future__ import annotations

import builtins
import hmac
import http.client
import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from falaj.core.errors import EXIT_CODES, FalajError, UnavailableError
from falaj.schemas.api import decode

if TYPE_CHECKING:
    from falaj.core.home import Home

T = TypeVar("T")

_LARGEST_EXIT_CODE = 7

_PAGE_ROWS = 200
"""The most that a page has."""


class ServerUnreachableError(UnavailableError):
    """Nothing answers at the server's address."""

    code = "server.unreachable"


class NotUpError(UnavailableError):
    """Another installation answers where this one would."""

    code = "server.not-up"


class ProblemError(FalajError):
    """The server answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        message_parts = [document.get("title") or f"the server answered {status}", document.get("detail", "")]
        super().__init__(
            ": ".join(part for part in message_parts if part),
            where=document.get("where", ""),
            hint=document.get("hint", ""),
            code=document.get("code", f"http.{status}"),
        )
        self.status = status
        self.exit_code = _exit_code(status, document.get("exit_code"))


def _exit_code(status: int, exit_code: object) -> int:
    """What the server says of its error; of an answer that something in between gave, what the status says."""
    if type(exit_code) is int and 1 <= exit_code <= _LARGEST_EXIT_CODE:
        return exit_code
    return EXIT_CODES.get(status, 1)


class Transport:
    """Requests to one server.

    Args:
        url: Base URL, `http://host:port`.
        token: Bearer token of the installation; empty for none.
        timeout_s: For connecting and for each read.
        installation: The home whose server this must be; the token is sent to no other. None for any server.
        cacert: File of the authority that the server's certificate is of; empty for those of the system.
    """

    def __init__(
        self, url: str, token: str, timeout_s: float = 60.0, installation: Home | None = None, cacert: str = ""
    ) -> None:
        self._url, self._unproved, self._cacert = urlsplit(url), installation, cacert
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = timeout_s

    def json(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """One request; the parsed answer, or None when it is empty.

        Raises:
            ProblemError: The server refused.
            ServerUnreachableError: Nothing answers.
        """
        with self._answer(method, path, body, query) as response:
            content = response.read()
        return self._parsed(content) if content else None

    def list(
        self, kind: type[T], path: str, query: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> builtins.list[T]:
        """The documents of a list that comes in pages; at most `limit`, or all for None."""
        return [decode(kind, item) for item in self.rows(path, query or {}, limit)]

    def whole(self, kind: type[T], path: str, query: Mapping[str, Any] | None = None) -> builtins.list[T]:
        """The documents of a short list, which comes at once."""
        return [decode(kind, item) for item in self.json("GET", path, query=query)]

    def rows(self, path: str, query: Mapping[str, Any], limit: int | None) -> Iterator[Any]:
        """The items of a list, page by page; at most `limit`, or all for None.

        Raises:
            ProblemError: The server refused.
            ServerUnreachableError: Nothing answers.
        """
        after: str | None = ""
        while after is not None and limit != 0:
            size = _PAGE_ROWS if limit is None else min(limit, _PAGE_ROWS)
            with self._answer("GET", path, None, {**query, "limit": size, "after": after or None}) as response:
                after, page = _next_cursor(response.headers.get("Link", "")), self._parsed(response.read())
            yield from page
            limit = None if limit is None else limit - len(page)

    def _parsed(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._stranger() from error

    def text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The answer of a GET as text."""
        with self._answer("GET", path, None, query) as response:
            return response.read().decode()

    def lines(self, path: str) -> Iterator[str]:
        """The lines of a long answer, as they come."""
        with self._answer("GET", path, None, None) as response:
            for line in response:
                yield line.decode()

    def events(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Server-sent events of a GET, until the server closes the stream."""
        with self._answer("GET", path, None, query) as response:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any, query: Mapping[str, Any] | None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; the connection is given back when the block ends, however it ends."""
        self._require_installation()
        with self._exchange(method, self._request(path, body, query)) as response:
            yield response

    def _require_installation(self) -> None:
        """Have the server prove, once, that it is of the installation, before it is sent the token.

        Raises:
            NotUpError: It is not, and no other server was named.
        """
        home, self._unproved = self._unproved, None
        if home is None:
            return
        nonce = secrets.token_hex(16)
        try:
            with self._exchange("GET", (f"{self._url.path}/api/v1/installation?nonce={nonce}", None, {})) as response:
                proof = json.loads(response.read())["proof"]
        except (ProblemError, ValueError, LookupError, TypeError):
            proof = ""
        if hmac.compare_digest(str(proof).encode(), home.proof(nonce).encode()):
            return
        if home.settings.get("FALAJ_SERVER"):  # another one was asked for by name: it may be asked, without the token
            self._headers = {}
        else:
            self._unproved = home
            raise NotUpError(
                f"this installation is not up: what answers at {self._url.geturl()} is another one",
                where=str(home.root),
                hint="falaj up starts it, on other ports with --port and --gateway-port; FALAJ_HOME names another one",
            )

    @contextmanager
    def _exchange(
        self, method: str, request: tuple[str, bytes | None, dict[str, str]]
    ) -> Iterator[http.client.HTTPResponse]:
        with closing(self._connection()) as connection:
            try:
                connection.request(method, *request)
                with connection.getresponse() as response:
                    if response.status >= 400:
                        raise ProblemError(response.status, parse_problem(response.read()))
                    yield response
            except http.client.HTTPException as error:
                raise self._stranger() from error
            except OSError as error:
                raise ServerUnreachableError(
                    f"no server answers at {self._url.geturl()}",
                    hint="falaj up starts it; falaj doctor looks for causes",
                ) from error

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme != "https":
            return http.client.HTTPConnection(self._url.netloc, timeout=self._timeout_s)
        context = ssl.create_default_context(cafile=self._cacert or None)
        return http.client.HTTPSConnection(self._url.netloc, timeout=self._timeout_s, context=context)

    def _request(
        self, path: str, body: Any, query: Mapping[str, Any] | None
    ) -> tuple[str, bytes | None, dict[str, str]]:
        parameters = {name: value for name, value in (query or {}).items() if value is not None}
        target = self._url.path + path + ("?" + urlencode(parameters) if parameters else "")
        content = None if body is None else json.dumps(body).encode()
        return target, content, self._headers | ({"Content-Type": "application/json"} if body is not None else {})

    def _stranger(self) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"what answers at {self._url.geturl()} is not Falaj, or it broke off",
            hint="falaj status shows the address; FALAJ_SERVER overrides it",
        )


def _next_cursor(link: str) -> str | None:
    """The cursor of the next page in a `Link` header (RFC 8288); None on the last page."""
    target, _, relation = link.partition(">")
    return parse_qs(urlsplit(target[1:]).query).get("after", [None])[0] if 'rel="next"' in relation else None


def parse_problem(content: bytes) -> dict[str, Any]:
    """The problem document of an answer, or a document made of its text."""
    try:
        document = json.loads(content)
    except ValueError:
        return {"title": content.decode(errors="replace")[:300]}
    return document if isinstance(document, dict) else {"title": str(document)}
