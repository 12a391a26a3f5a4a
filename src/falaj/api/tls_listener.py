"""The API for other machines: the same application behind TLS, on an address that the platform file names."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from falaj.api.authentication import DOOR
from falaj.api.connections import BoundedHandshakes, options
from falaj.api.platform import Platform
from falaj.config.platform_spec import ListenSpec
from falaj.core.errors import FalajError
from falaj.supply_chain.attestations.keys import replace_private
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.authority import DOOR_LIFE_S, key_pem
from falaj.trust import settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FILE = "api-door.pem"
_LOOK_S = 1.0
_ENDS_WITHIN_S = 10.0
logger = logging.getLogger(__name__)


class ApiDoor:
    """Opens, moves and closes the door as the applied platform file says; what is wrong with it costs it alone.

    Args:
        platform: The parts of the application.
        app: The application; its life is another's affair.
    """

    def __init__(self, platform: Platform, app: ASGIApp) -> None:
        self._platform, self._app = platform, marked(app)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="door", daemon=True)
        self._listener: _Listener | None = None

    def start(self) -> None:
        """Begin to follow the platform file."""
        self._thread.start()

    def stop(self) -> None:
        """Close the door."""
        self._stopping.set()
        self._thread.join(2 * _ENDS_WITHIN_S)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except (FalajError, OSError, ssl.SSLError):
                logger.exception("the door of the API is closed; trying again")
            self._stopping.wait(_LOOK_S)
        self._close()

    def _look(self) -> None:
        with self._platform.database.reading() as session:
            listen_address = settings.current(session).server_listen
        listener = self._listener
        if listener is not None and (listener.listen != listen_address or listener.ended):
            self._close()
        if listen_address is not None and self._listener is None:
            self._listener = _Listener(self._platform, self._app, listen_address)
            self._listener.start()
        elif self._listener is not None:
            self._listener.renew_when_due()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


@contextmanager
def open_door(platform: Platform, app: ASGIApp) -> Iterator[None]:
    """Let other machines in for as long as the block lasts, where the platform file says so."""
    door = ApiDoor(platform, app)
    door.start()
    try:
        yield
    finally:
        door.stop()


class _Listener:
    """One address with TLS, served by a thread of its own."""

    def __init__(self, platform: Platform, app: ASGIApp, listen: ListenSpec) -> None:
        self.listen, self._platform = listen, platform
        config = uvicorn.Config(
            app, host=listen.address, port=listen.port, lifespan="off", proxy_headers=False, **options()
        )
        config.load()
        self._context = None if listen.tls == "off" else _context()
        config.ssl = self._context
        self._renew()
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="api-door", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether it does not listen any more, as when the address could not be had."""
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_ENDS_WITHIN_S)

    def renew_when_due(self) -> None:
        """Show a certificate that is in force; connections that are open keep theirs."""
        mark = _mark(self.listen)
        if self._platform.now() >= self._renew_at or mark != self._read:
            self._renew()

    def _renew(self) -> None:
        now = self._platform.now()
        self._read, self._renew_at = _mark(self.listen), now + DOOR_LIFE_S / 2
        if self._context is None:
            return
        if self.listen.tls == "files":
            self._context.load_cert_chain(self.listen.cert, self.listen.key)
            return
        key, file = certificates.new_key(), self._platform.home.keys / FILE
        issued = self._platform.authority.issue_door(key.public_key(), self.listen.names, now)
        replace_private(file, key_pem(key) + certificates.pem_of(issued).encode())
        self._context.load_cert_chain(file)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=BoundedHandshakes) as runner:
                runner.run(self._server.serve())
        except SystemExit:  # how uvicorn says that an address cannot be had
            logger.warning("nobody can listen on %s:%d", self.listen.address, self.listen.port)


def marked(app: ASGIApp) -> ASGIApp:
    """The application as it answers others than this machine: the installation's own token opens nothing there."""

    async def through_door(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, DOOR: True}, receive, send)

    return through_door


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _mark(listen: ListenSpec) -> tuple[float, ...]:
    """Changes when a file of the certificate does."""
    return tuple(Path(each).stat().st_mtime for each in (listen.cert, listen.key) if each and Path(each).exists())
