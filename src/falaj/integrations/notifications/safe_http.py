"""Posting to an address that somebody else chose: looked up once, judged, connected to exactly, bounded in all things.

The name of a receiver is resolved once. All its addresses are judged, and the connection is made to one of these, so
that a name that means something else a moment later leads nowhere new. TLS still proves the name. No proxy of the
environment is used, no redirect is followed, and the answer's body is not read.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore

from falaj.core.egress import EgressRules, Resolver, destination, resolve
from falaj.integrations.notifications.errors import NobodyAnsweredError, UndeliveredError

MOST_ANSWERED_BYTES = 64 * 1024
TIMEOUT_S = 10.0
_PIECE = 4096
_NO_ANSWER = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    OSError,
    UnicodeError,
)


@dataclass(frozen=True)
class SsrfSafeClient:
    """Brings bytes to receivers.

    Args:
        timeout_s: For the whole of an attempt, from the connection to the end of the answer's head.
        resolver: Finds addresses.
        trust: Makes what certificates are judged by; None for the machine's authorities.
    """

    timeout_s: float = TIMEOUT_S
    resolver: Resolver = resolve
    trust: Callable[[], ssl.SSLContext] | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool) -> None:
        """Post bytes; the receiver took them when it answers with a status of 200 to 299.

        Raises:
            ForbiddenAddressError: The name leads where nothing is sent.
            NobodyAnsweredError: Nothing answers, or too slowly.
            UndeliveredError: The answer is another one.
        """
        deadline = time.monotonic() + self.timeout_s
        status = self._status(url, headers, body, allow_private, deadline)
        if 300 <= status < 400:
            raise UndeliveredError(f"it answered {status}: redirects are not followed", hint="give the final address")
        if not 200 <= status < 300:
            raise UndeliveredError(f"it answered {status}")

    def _status(self, url: str, headers: Mapping[str, str], body: bytes, allow_private: bool, deadline: float) -> int:
        try:
            target = destination(url, EgressRules(any_private=allow_private), self.resolver)
            backend = _Pinned(target.addresses, deadline)
            with httpcore.ConnectionPool(
                ssl_context=(self.trust or _machine_trust)(), network_backend=backend, max_connections=1
            ) as pool:
                request_headers = {"Host": urlsplit(url).netloc, **headers, "Connection": "close"}
                with pool.stream("POST", url, headers=list(request_headers.items()), content=body) as response:
                    return int(response.status)
        except _NO_ANSWER as error:
            raise NobodyAnsweredError(f"no answer: {type(error).__name__}") from error


@cache
def _machine_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Pinned(httpcore.NetworkBackend):
    """Connects to the addresses that were judged, whatever name is asked for, until a deadline."""

    def __init__(self, addresses: Sequence[str], deadline: float) -> None:
        self._addresses, self._deadline, self._real = addresses, deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved already
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("there is no address")
        for address in self._addresses:
            try:
                remaining_s = _remaining(self._deadline)
                stream = self._real.connect_tcp(address, port, remaining_s, local_address, socket_options)
                return _Bounded(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@dataclass(eq=False)
class _Bounded(httpcore.NetworkStream):
    """A stream that ends at a deadline, and when more came than an answer's head may have."""

    inner: httpcore.NetworkStream
    deadline: float
    came: int = field(default=0)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline counts
        content = self.inner.read(max_bytes, _remaining(self.deadline))
        self.came += len(content)
        if self.came > MOST_ANSWERED_BYTES:
            raise httpcore.ReadError("the answer is too long")
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline counts
        for start in range(0, len(buffer), _PIECE):  # a write of many pieces would have the time for each of them
            self.inner.write(buffer[start : start + _PIECE], _remaining(self.deadline))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
    ) -> httpcore.NetworkStream:
        return _Bounded(self.inner.start_tls(ssl_context, server_hostname, _remaining(self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def _remaining(deadline: float) -> float:
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        raise httpcore.ReadTimeout("the time is over")
    return remaining_s
