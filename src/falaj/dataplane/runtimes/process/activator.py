"""Holds the requests for endpoints that sleep, and hands them on in their order once a replica answers.

The gateway sees a replica like any other: a Unix socket. Requests wait here, bounded in number, bytes and time; what is
beyond gets 503 with `Retry-After`. Whoever goes away while waiting is forgotten.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import h11

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 1 << 16
_LOST = (OSError, EOFError, h11.ProtocolError)


@dataclass(frozen=True)
class HoldLimits:
    """Bounds of what waits.

    Attributes:
        requests: Of one endpoint.
        body_bytes: Of all requests together.
        wait_s: Longest wait.
    """

    requests: int = 512
    body_bytes: int = 256 << 20
    wait_s: float = 30.0


@dataclass(eq=False)
class _WaitingRequest:
    """A request that waits: what comes of it is a stream it was written to, or nothing."""

    request: h11.Request
    body: bytes
    since: float
    reader: asyncio.StreamReader
    outcome: asyncio.Future[Stream | None]


@dataclass(eq=False)
class _Arm:
    """An arm that requests come for."""

    path: Path
    server: asyncio.Server | None = None
    waiting: deque[_WaitingRequest] = field(default_factory=deque)
    target: str = ""
    moving: asyncio.Task[None] | None = None


class Activator:
    """Listens for arms that have no replica.

    Args:
        folder: Where its sockets are; the owner's alone.
        clock: Seconds, for how long requests wait.
        limits: Bounds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float], limits: HoldLimits | None = None) -> None:
        self._folder, self._clock, self._limits = folder, clock, limits or HoldLimits()
        self._arms: dict[str, _Arm] = {}
        self._bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_held: Callable[[], None] = lambda: None
        """Called when a request begins to wait, in a thread of its own."""

    def listen(self, arm: str) -> str:
        """The socket on which requests for an arm are held; they wait until `hand_over` names a replica."""
        if arm not in self._arms:
            folder = self._folder / sha256(arm.encode()).hexdigest()[:16]
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._arms[arm] = _Arm(folder / "held")
            self._run(self._open(self._arms[arm]))
        self._arms[arm].target = ""
        return str(self._arms[arm].path)

    def waiting(self, arm: str) -> int:
        """How many requests wait for an arm."""
        return len(self._arms[arm].waiting) if arm in self._arms else 0

    def hand_over(self, arm: str, replica: str) -> None:
        """Hand what waits on to a replica that answers, and from now on what still comes here, too."""
        if (state := self._arms.get(arm)) is not None:
            self._run(self._move(state, replica))

    def expire(self) -> None:
        """Refuse what has waited for too long."""
        until = self._clock() - self._limits.wait_s
        for state in self._arms.values():
            if state.waiting and state.waiting[0].since <= until:
                self._run(self._refuse_old(state, until))

    def keep(self, arms: set[str]) -> None:
        """Stop listening for all other arms: nothing is routed to them any more."""
        for arm in self._arms.keys() - arms:
            self._run(self._close(self._arms.pop(arm)))

    def stop(self) -> None:
        """Stop listening at all."""
        self.keep(set())
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _run(self, work: object) -> None:
        """Do something in the loop's thread, which is started at its first use, and wait for it."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run_loop, args=(self._loop,), daemon=True, name="activator").start()
        asyncio.run_coroutine_threadsafe(work, self._loop).result()  # type: ignore[arg-type]

    async def _open(self, arm: _Arm) -> None:
        arm.path.unlink(missing_ok=True)
        arm.server = await asyncio.start_unix_server(lambda *ends: self._serve(arm, *ends), arm.path, backlog=1024)

    async def _close(self, arm: _Arm) -> None:
        if arm.server is not None:
            arm.server.close()
        for each in arm.waiting:
            _end(each, None)
        arm.path.unlink(missing_ok=True)

    async def _refuse_old(self, arm: _Arm, until: float) -> None:
        while arm.waiting and arm.waiting[0].since <= until:
            _end(arm.waiting.popleft(), None)

    async def _move(self, arm: _Arm, replica: str) -> None:
        arm.target = replica
        if arm.moving is None or arm.moving.done():
            arm.moving = asyncio.get_running_loop().create_task(self._hand_on(arm))

    async def _hand_on(self, arm: _Arm) -> None:
        """One after the other: each request is at the replica before the next one is sent."""
        while arm.waiting and arm.target:
            each = arm.waiting.popleft()
            if each.reader.at_eof() or each.outcome.done():
                _end(each, None)
                continue
            try:
                _end(each, await _sent(arm.target, each.request, each.body))
            except OSError:
                arm.waiting.appendleft(each)  # the replica fell meanwhile; the next one is named later
                arm.target = ""

    async def _serve(self, arm: _Arm, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The connection of the gateway: one request after the other."""
        connection = h11.Connection(h11.SERVER)
        try:
            while (message := await _received(connection, reader)) is not None:
                for part in await self._answer(arm, *message, reader):
                    writer.write(connection.send(part) or b"")
                await writer.drain()
                if connection.our_state is not h11.DONE:
                    break
                connection.start_next_cycle()
        except _LOST:
            pass  # the gateway sees a connection that ends, and asks again
        finally:
            writer.close()

    async def _answer(
        self, arm: _Arm, request: h11.Request, body: bytes, reader: asyncio.StreamReader
    ) -> list[h11.Event]:
        if arm.target and not arm.waiting:
            return await _relayed(await _sent(arm.target, request, body))
        if len(arm.waiting) >= self._limits.requests or self._bytes + len(body) > self._limits.body_bytes:
            return [*_refusal("endpoint.waking-full", "too many requests wait for the endpoint to start")]
        outcome: asyncio.Future[Stream | None] = asyncio.get_running_loop().create_future()
        self._bytes += len(body)
        try:
            arm.waiting.append(_WaitingRequest(request, body, self._clock(), reader, outcome))
            self.on_held()
            stream = await outcome
        finally:
            self._bytes -= len(body)
        if stream is None:
            return [*_refusal("endpoint.waking", "the endpoint did not start in time")]
        return await _relayed(stream)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def _end(each: _WaitingRequest, stream: Stream | None) -> None:
    if not each.outcome.done():
        each.outcome.set_result(stream)
    elif stream is not None:
        stream[1].close()


async def _received(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """One request with its body; None where the other side closed the connection."""
    request, body = None, bytearray()
    while True:
        match event := connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            case h11.Request():
                request = event
            case h11.Data():
                body += event.data
            case h11.EndOfMessage() if request is not None:
                return request, bytes(body)
            case _:
                return None


async def _sent(replica: str, request: h11.Request, body: bytes) -> Stream:
    """A connection to a replica on which a request was written."""
    reader, writer = await asyncio.open_unix_connection(replica)
    connection = h11.Connection(h11.CLIENT)
    headers = [(n, v) for n, v in request.headers if n not in (b"connection", b"transfer-encoding", b"content-length")]
    headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    for event in (
        h11.Request(method=request.method, target=request.target, headers=headers),
        h11.Data(body),
        h11.EndOfMessage(),
    ):
        writer.write(connection.send(event) or b"")
    await writer.drain()
    return reader, writer


async def _relayed(stream: Stream) -> list[h11.Event]:
    """The answer of a replica."""
    reader, writer = stream
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "replica")]))
    connection.send(h11.EndOfMessage())
    events: list[h11.Event] = []
    try:
        while True:
            match event := connection.next_event():
                case h11.NEED_DATA:
                    connection.receive_data(await reader.read(_CHUNK))
                case h11.Response():
                    own_headers = [(n, v) for n, v in event.headers if n != b"connection"]
                    events.append(h11.Response(status_code=event.status_code, headers=own_headers, reason=event.reason))
                case h11.Data():
                    events.append(h11.Data(bytes(event.data)))
                case h11.EndOfMessage():
                    return [*events, h11.EndOfMessage()]
                case _:
                    raise EOFError("the replica ended before its answer did")
    finally:
        writer.close()


def _refusal(code: str, why: str) -> Iterator[h11.Event]:
    body = json.dumps({"type": "about:blank", "title": "The endpoint is starting", "status": 503, "code": code,
                       "detail": why}).encode()  # fmt: skip
    headers = [("content-type", "application/problem+json"), ("content-length", str(len(body))), ("retry-after", "5")]
    yield h11.Response(status_code=503, headers=headers)
    yield h11.Data(body)
    yield h11.EndOfMessage()
