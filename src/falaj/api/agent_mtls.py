"""Who asks at the port for agents: every request is judged by the certificate that its connection presented.

A certificate that was taken back is refused with the next request. Tokens open nothing here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from falaj.api.authentication import PEER
from falaj.api.platform import Platform
from falaj.api.problems import problem_of
from falaj.core.errors import FalajError
from falaj.core.principal import Principal
from falaj.supply_chain.certificates.errors import PeerRefusedError
from falaj.supply_chain.certificates.workload_certificates import Peer
from falaj.trust.pki import agent_certificates

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

AUTHORITY_PATH = "/api/v1/workloads/authority"
ENROL_PATH = "/api/v1/workloads/enrol"
RETURN_PATH = "/api/v1/workloads/return"
_WITHOUT_CERTIFICATE = frozenset({AUTHORITY_PATH, ENROL_PATH, RETURN_PATH})

CERTIFICATE = "falaj.certificate"
"""Where the protocol of the port puts the peer's certificate in the ASGI scope: DER, or None."""

_SEEN_EVERY_S = 10.0
_ASK_AGAIN_AFTER_S = 1.0


class AgentMtlsMiddleware:
    """Lets requests with a certificate that stands through, as those of its workload; refuses all others.

    Args:
        app: The application.
        platform: Its parts.
    """

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app, self._platform = app, platform
        self._noted: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return
        presented = scope.get(CERTIFICATE)
        if presented is not None:
            await self._serve(presented, scope, receive, send)
        elif scope["path"] in _WITHOUT_CERTIFICATE:
            await self._app(scope, receive, send)
        else:
            error = PeerRefusedError("this port asks for a certificate", hint="falaj location enroll NAME")
            await _refusal(error)(scope, receive, send)

    async def _serve(self, presented: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = await run_in_threadpool(self._admit, presented)
        except FalajError as error:
            await _refusal(error)(scope, receive, send)
            return
        await self._app({**scope, PEER: principal}, receive, _Standing(self, presented, scope, receive, send))

    def _admit(self, presented: bytes) -> Principal:
        peer = self.require_standing(presented)
        self._note(peer.workload.name)
        return peer.workload.principal(peer.issued_at)

    def require_standing(self, presented: bytes) -> Peer:
        """Say whose certificate this is.

        Raises:
            PeerRefusedError: It is not one that holds now.
        """
        peer = self._platform.authority.check(presented, self._platform.now())
        with self._platform.database.reading() as session:
            agent_certificates.require_standing(session, peer)
        return peer

    def _note(self, location: str) -> None:
        """Remember that an agent was heard, not more often than people look."""
        now = self._platform.now()
        if now - self._noted.get(location, 0.0) >= _SEEN_EVERY_S:
            self._noted[location] = now
            with self._platform.database.transaction() as session:
                agent_certificates.record_seen(session, location, now)


class _Standing:
    """Asks again before an answer that was long in the making, such as that of a long poll, goes out."""

    def __init__(
        self, doorway: AgentMtlsMiddleware, presented: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._doorway, self._presented, self._began = doorway, presented, time.monotonic()
        self._scope, self._receive, self._send = scope, receive, send
        self._refused = False

    async def __call__(self, message: Message) -> None:
        if self._refused:
            return
        late = time.monotonic() - self._began > _ASK_AGAIN_AFTER_S
        if message["type"] == "http.response.start" and late:
            try:
                await run_in_threadpool(self._doorway.require_standing, self._presented)
            except FalajError as error:
                self._refused = True
                await _refusal(error)(self._scope, self._receive, self._send)
                return
        await self._send(message)


def _refusal(error: FalajError) -> Any:
    return problem_of(error)
