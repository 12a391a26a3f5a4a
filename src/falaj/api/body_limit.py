"""Bodies are bounded before anything is kept of them: tightly for whoever has not proved who it is.

What git hosts and object stores send is proved by a signature over the whole body, so that it must be read first. Past
the bound of public routes it is read for projects that have a secret alone, and a few at once.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from falaj.api.authentication import UnauthenticatedError, authenticate
from falaj.api.problems import problem, problem_of
from falaj.core.errors import FalajError, UnavailableError
from falaj.core.ids import parse_number
from falaj.core.principal import Principal
from falaj.integrations.git import carries_signature
from falaj.storage import Database, ProjectRow

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC_BYTES = 64 * 1024
MOST_BYTES = 32 * 1024 * 1024
MOST_OBJECT_BYTES = 64 * 1024 * 1024 * 1024
"""Of an object of a step's output, which is written to a disk as it comes."""
MOST_SIGNED_AT_ONCE = 8
"""How many large bodies may lie in memory before their signatures are checked."""


class SignedBodiesBusyError(UnavailableError):
    """Too many large signed bodies arrive at once; their senders deliver again."""

    code = "server.signed-bodies"
    retry_after_s = 5.0


class BodyLimit:
    """Refuses bodies that are too large, before or while they arrive.

    Args:
        app: What answers the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._signed = threading.BoundedSemaphore(MOST_SIGNED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with ExitStack() as until_answered:
            budget = _Budget(scope, receive, self._signed, until_answered)
            try:
                await budget.spend(_declared(scope))
            except HTTPException as error:
                await problem(error.status_code, f"http.{error.status_code}", str(error.detail))(scope, receive, send)
            except FalajError as error:
                await problem_of(error)(scope, receive, send)
            else:
                await self._app(scope, budget.receive, send)


class _Budget:
    """What is left of the bytes that a request may send."""

    def __init__(
        self, scope: Scope, receive: Receive, signed: threading.BoundedSemaphore, until_answered: ExitStack
    ) -> None:
        self._scope, self._receive = scope, receive
        self._signed, self._until_answered = signed, until_answered
        self._size, self._proved = 0, False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            await self.spend(self._size)
        return message

    async def spend(self, size: int) -> None:
        """Let a body have this size, or refuse it.

        Raises:
            HTTPException: 413, or 401 where it would need a token that is valid.
            SignedBodiesBusyError: As many large signed bodies arrive as may.
        """
        most = MOST_OBJECT_BYTES if _is_object(self._scope["path"]) else MOST_BYTES
        if size > most:
            raise HTTPException(413, f"the body has more than {most} bytes")
        if size > PUBLIC_BYTES and not self._proved:
            await self._prove()
            self._proved = True

    async def _prove(self) -> None:
        request = Request(self._scope)
        if sender := _signed_route(self._scope["path"]):
            await self._prove_sender(request, *sender)
            return
        try:
            principal = await run_in_threadpool(authenticate, request, request.app.state.platform)
            self._require_machine(principal)
        except UnauthenticatedError as error:
            if "authorization" in request.headers:
                raise HTTPException(401, error.message) from error
            raise HTTPException(413, f"the body has more than {PUBLIC_BYTES} bytes, and nobody's token") from error

    def _require_machine(self, principal: Principal) -> None:
        """Of large objects whoever is no machine of an executor sends none."""
        if _is_object(self._scope["path"]) and not principal.id.startswith("workload:executor/"):
            raise HTTPException(413, "objects of outputs are sent by machines of executors")

    async def _prove_sender(self, request: Request, vendor: str, project: str) -> None:
        offered = carries_signature(vendor or "github", request.headers) or (
            not vendor and "authorization" in request.headers
        )
        if not offered or not await run_in_threadpool(_has_secret, request.app.state.platform.database, project):
            raise HTTPException(413, f"the body has more than {PUBLIC_BYTES} bytes, and no known sender")
        if not self._signed.acquire(blocking=False):
            raise SignedBodiesBusyError("too many large signed bodies arrive at once", hint="deliver it again")
        self._until_answered.callback(self._signed.release)


def _declared(scope: Scope) -> int:
    raw_length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return parse_number(raw_length.decode("latin-1"), digits=18) or 0


def _signed_route(path: str) -> tuple[str, str] | None:
    """The git host, empty for a source of data, and the project of a route whose bodies are signed."""
    match path.split("/"):
        case ["", "api", "v1", "webhooks", vendor, project] if vendor:
            return vendor, project
        case ["", "api", "v1", "projects", project, "events"]:
            return "", project
    return None


def _is_object(path: str) -> bool:
    return path.startswith("/api/v1/step-orders/") and "/objects/" in path


def _has_secret(database: Database, project: str) -> bool:
    if not project.isprintable():
        return False
    with database.reading() as session:
        row = session.get(ProjectRow, project)
    return row is not None and bool(row.webhook_secret)
