"""The port for agents elsewhere: TLS 1.3, and a certificate of this installation for everything but coming in.

The same application answers there,
behind a `AgentMtlsMiddleware` that judges the certificate which the protocol takes from the
TLS connection.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from falaj.api.agent_mtls import CERTIFICATE, AgentMtlsMiddleware
from falaj.api.connections import BoundedHandshakes, BoundedProtocol, options
from falaj.api.platform import Platform
from falaj.core.errors import FalajError, UnavailableError
from falaj.supply_chain.attestations.keys import replace_private

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - who asked for this port wants to be reached
_START_LIMIT_S = 20.0
logger = logging.getLogger(__name__)


class Listener:
    """The port for agents, served by a thread of its own.

    Args:
        platform: The parts of the application.
        app: The application; its life is another's affair.
        host: Address to listen on.
        port: Port to listen on.
    """

    def __init__(self, platform: Platform, app: ASGIApp, host: str, port: int) -> None:
        self._context = _Context(platform)
        config = uvicorn.Config(
            AgentMtlsMiddleware(app, platform),
            host=host,
            port=port,
            lifespan="off",
            proxy_headers=False,
            **{**options(), "http": _PeerProtocol},
        )
        config.load()
        config.ssl = self._context.ssl
        self._server = _Server(config, self._context)
        self._thread = threading.Thread(target=self._run, name="agents", daemon=True)

    def start(self) -> None:
        """Listen; returns when agents can connect.

        Raises:
            UnavailableError: The port cannot be had (`server.port-in-use`).
        """
        self._thread.start()
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise UnavailableError(
                    f"the port {self._server.config.port} for agents could not be opened",
                    hint="is another program using it? falaj up --agents-port chooses another one",
                    code="server.port-in-use",
                )
            time.sleep(0.01)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=BoundedHandshakes) as runner:
            runner.run(self._server.serve())

    def stop(self) -> None:
        """Close the port."""
        self._server.should_exit = True
        self._thread.join(timeout=10)


@contextmanager
def agents_let_in(platform: Platform, app: ASGIApp) -> Iterator[None]:
    """Keep the port for agents open where the home names one (`falaj up --agents-port`)."""
    port = platform.home.ports().get("agents")
    if port is None:
        yield
        return
    listener = Listener(platform, app, platform.home.settings.get("FALAJ_AGENTS_HOST") or _EVERYWHERE, port)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


class _Context:
    """TLS as the port speaks it, with the server's own certificate, which is as short-lived as all others."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._file = platform.home.keys / "server.pem"
        self.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        self.ssl.verify_mode = ssl.CERT_OPTIONAL  # an agent that comes in has none yet; the doorway asks for it
        self.ssl.num_tickets = 0  # a resumed connection would carry the certificate of the one before
        self.ssl.load_verify_locations(cadata=platform.authority.pem)
        self.renew()

    def renew_when_due(self) -> None:
        """Change the certificate for a new one halfway through its life; connections that are open keep theirs."""
        if self._platform.now() >= self._renew_at:
            self.renew()

    def renew(self) -> None:
        now, authority = self._platform.now(), self._platform.authority
        replace_private(self._file, authority.issue_server(now))
        self.ssl.load_cert_chain(self._file)
        self._renew_at = now + authority.life_s / 2


class _Server(uvicorn.Server):
    """A server that renews its certificate in its own loop, where no handshake can be halfway through reading it."""

    def __init__(self, config: uvicorn.Config, context: _Context) -> None:
        super().__init__(config)
        self._context = context

    async def on_tick(self, counter: int) -> bool:
        try:
            self._context.renew_when_due()
        except (FalajError, OSError):
            logger.exception("the server's certificate could not be renewed; trying again")
        return await super().on_tick(counter)


class _PeerProtocol(BoundedProtocol):
    """HTTP on a TLS connection; its requests know the peer's certificate."""

    app: Any

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.app = _presenting(self.app, connection.getpeercert(binary_form=True))


def _presenting(app: ASGIApp, certificate: bytes | None) -> ASGIApp:
    async def presenting(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, CERTIFICATE: certificate}, receive, send)

    return presenting
