"""HTTP connections with limits of time and number, so that nobody keeps everybody else out by holding some.

A request's head must be there soon after its first byte, and its body must keep coming. Answers may take as long as
they like: whoever follows events or polls for news waits for us.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 3_000
"""How many connections one port has open at once: a thousand agents, and people's pages beside them."""
HEAD_WITHIN_S = 10.0
BODY_IDLE_S = 20.0
HANDSHAKE_WITHIN_S = 10.0
_SPARE_FILES = 512
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/problem+json\r\ncontent-length: %d\r\n\r\n%s"
)
_PROBLEM = (
    b'{"type":"https://falaj.dev/problems/server.connections","title":"the server has as many connections as it takes",'
    b'"status":503,"code":"server.connections","exit_code":6}'
)


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn with a bound of connections, and timers for requests that do not arrive."""

    _timer: asyncio.TimerHandle | None = None
    _timer_is_of_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or answer at once that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.write(_FULL % (len(_PROBLEM), _PROBLEM))
            transport.close()
            return
        self._start_timer(HEAD_WITHIN_S, of_head=True)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and start or stop the clock for what is still to come."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            if self._timer is None or not self._timer_is_of_head:  # a head that comes byte by byte gains no time
                self._start_timer(HEAD_WITHIN_S, of_head=True)
        elif self.cycle.more_body:
            self._start_timer(BODY_IDLE_S, of_head=False)
        else:
            self._stop_timer()

    def on_response_complete(self) -> None:
        """Stop the clock of a body that was answered before it came; the next head has its own."""
        self._stop_timer()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self, seconds: float, *, of_head: bool) -> None:
        self._stop_timer()
        self._timer_is_of_head = of_head
        self._timer = self.loop.call_later(seconds, self._cut_off)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


class BoundedHandshakes(asyncio.SelectorEventLoop):
    """An event loop whose listeners give up on who does not come to speak TLS; connections count only from then on."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """Listen (see `asyncio.loop.create_server`)."""
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = HANDSHAKE_WITHIN_S
        return await super().create_server(*args, **options)


def raise_file_limit() -> None:
    """Let the process have as many files open as its connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target_limit = 2 * MAX_CONNECTIONS + _SPARE_FILES
    limit = target_limit if hard == resource.RLIM_INFINITY else min(target_limit, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def options() -> dict[str, Any]:
    """What every listener of the server passes to uvicorn."""
    return {"http": BoundedProtocol, "ws": "none", "log_level": "warning", "timeout_graceful_shutdown": 2}
