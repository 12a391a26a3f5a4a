"""The public keys of the identity provider whose tokens callers of endpoints show, fetched for all gateways.

Gateways are told the keys with everything else and ask no provider themselves: one place decides about addresses, and
a provider that is down stops no prediction. The keys that were fetched last are kept beside the installation's own.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from falaj.control.releases.endpoints import next_version
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.dataplane.callers import TokenIssuer
from falaj.storage import Database, EndpointRow
from falaj.supply_chain.attestations.keys import replace_private
from falaj.trust import settings
from falaj.trust.identity import federation

FILE = "caller-provider.json"
REFRESH_S = 300.0
RETRY_S = 15.0
_LOOK_S = 1.0
logger = logging.getLogger(__name__)


class CallerProvider:
    """Follows the keys of the provider that the applied platform file names.

    Args:
        home: Of the installation.
        database: With its settings and endpoints.
    """

    def __init__(self, home: Home, database: Database) -> None:
        self._home, self._database = home, database
        self._due_at = float("-inf")
        self._last_issuer = ""

    def issuer(self, named: Mapping[str, Any] | None) -> TokenIssuer | None:
        """What gateways are told of the provider.

        Args:
            named: `identity.callers` of the platform file; None where it has none.
        """
        if not named:
            return None
        fetched = self._read()
        jwks = fetched["jwks"] if fetched.get("issuer") == named["issuer"] else {}
        return TokenIssuer(named["issuer"], jwks, int(named["max_life"]))

    def refresh_when_due(self, now: float) -> None:
        """Fetch the keys when they are due, and tell all locations when they are others.

        Raises:
            ProviderError: The provider does not answer as it should; it is asked again later.
        """
        with self._database.reading() as session:
            named, rules = settings.current(session).identity.get("callers"), settings.egress(session)
        if not named or (named["issuer"] == self._last_issuer and now < self._due_at):
            return
        self._last_issuer, self._due_at = named["issuer"], now + RETRY_S
        own = urlsplit(named["issuer"]).hostname or ""  # the platform file names it, in a private network or not
        web = federation.Web(rules=replace(rules, private=(own, *rules.private)))
        fetched = {"issuer": named["issuer"], "jwks": federation.published_keys(named["issuer"], web)}
        self._due_at = now + REFRESH_S
        if fetched != self._read():
            replace_private(self._file, json.dumps(fetched, sort_keys=True).encode())
            self._tell_locations()

    @property
    def _file(self) -> Path:
        return self._home.keys / FILE

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self._file.read_bytes())) if self._file.exists() else {}

    def _tell_locations(self) -> None:
        """Give the desired state of every location a new version."""
        with self._database.transaction() as session:
            for row in session.scalars(select(EndpointRow)):
                row.version = next_version(session, row.location)
                session.flush()


@contextmanager
def provider_followed(provider: CallerProvider, clock: Callable[[], float]) -> Iterator[None]:
    """Keep the keys fresh for as long as the block lasts.

    Args:
        provider: Whose keys.
        clock: Tells unix seconds.
    """
    stopping = threading.Event()

    def follow() -> None:
        while not stopping.wait(_LOOK_S):
            try:
                provider.refresh_when_due(clock())
            except (FalajError, OSError):
                logger.exception("the keys of the callers' provider could not be fetched; trying again")

    thread = threading.Thread(target=follow, name="callers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(2 * _LOOK_S)
