"""What the routes of one server share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from falaj.api.caller_provider import CallerProvider
from falaj.api.database_probe import DatabaseProbe
from falaj.api.event_stream import EventFanOut
from falaj.api.federation import Federation
from falaj.api.password_queue import PasswordQueue
from falaj.api.session_use import SessionUse
from falaj.api.version_feed import VersionFeed, versions
from falaj.control import changes, executors
from falaj.control.releases import lifecycle
from falaj.control.runs import lifecycle as runs
from falaj.core.home import Home
from falaj.storage import Database
from falaj.storage.durable import ProcessTable
from falaj.supply_chain.artifacts import ArtifactStore, open_home_store
from falaj.supply_chain.attestations import Keyring, open_keyring
from falaj.supply_chain.certificates.authority import LIFE_S, CertificateAuthority, open_authority
from falaj.supply_chain.encryption import Keystore, home_scope, open_chest
from falaj.trust.identity import Authenticator, Passwords
from falaj.trust.pki.caller_tokens import CallerKey, open_caller_key
from falaj.trust.secrets import Vault


@dataclass(frozen=True)
class Platform:
    """The parts of one installation.

    Args:
        home: Its folder and settings.
        database: The control plane's database, migrated.
        stopping: Set when the server is to end: requests that wait for news are answered without.
    """

    home: Home
    database: Database
    stopping: Event = field(default_factory=Event)

    @cached_property
    def processes(self) -> ProcessTable:
        """The process table with the transitions of all kinds."""
        transitions = {"run": runs.transition, "deployment": lifecycle.transition, "change": changes.transition}
        return ProcessTable(self.database, transitions)

    @cached_property
    def keyring(self) -> Keyring:
        """The signing keys of the installation."""
        return open_keyring(self.home.keys)

    @cached_property
    def authority(self) -> CertificateAuthority:
        """Issues the certificates of agents elsewhere."""
        life_s = float(self.home.settings.get("FALAJ_CERTIFICATE_LIFE_S") or LIFE_S)
        return open_authority(self.home.keys, self.now, life_s)

    @cached_property
    def caller_key(self) -> CallerKey:
        """Signs tokens of callers of endpoints."""
        return open_caller_key(self.home.keys)

    def turn(self, session: Session) -> changes.ChangeContext:
        """What decisions about changes need, in a transaction."""
        return changes.ChangeContext(session, self.processes, self.keyring, self.now())

    @cached_property
    def keys(self) -> Keystore:
        """The data keys of this machine."""
        return open_chest(self.home)

    @property
    def vault(self) -> Vault:
        """Encrypts small texts, such as secrets of steps and webhooks."""
        return Vault(self.keys, home_scope(self.home.settings))

    @cached_property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        return open_home_store(self.home, self.keys)

    @cached_property
    def doorkeeper(self) -> Authenticator:
        """Judges passwords and one-time passwords."""
        return Authenticator(self.database, Passwords(), self.vault)

    @cached_property
    def federation(self) -> Federation:
        """Logins by the identity provider, and security keys."""
        return Federation(self.home, self.database)

    @cached_property
    def caller_provider(self) -> CallerProvider:
        """The identity provider of callers of endpoints."""
        return CallerProvider(self.home, self.database)

    @cached_property
    def version_feed(self) -> VersionFeed:
        """Wakes agents that wait for a newer desired state."""
        return VersionFeed("versions", self.database, versions, self.stopping)

    @cached_property
    def order_feed(self) -> VersionFeed:
        """Wakes machines that wait for an order of their executor."""
        return VersionFeed("orders", self.database, executors.waiting_orders, self.stopping)

    @cached_property
    def password_queue(self) -> PasswordQueue:
        """Where passwords are verified and hashed."""
        return PasswordQueue()

    @cached_property
    def session_use(self) -> SessionUse:
        """Notes when sessions of browsers are used."""
        return SessionUse(self.database)

    @cached_property
    def database_probe(self) -> DatabaseProbe:
        """Tells whether the database answers."""
        return DatabaseProbe.of(self.database)

    @cached_property
    def event_fan_out(self) -> EventFanOut:
        """Offers new events to all who follow them."""
        return EventFanOut(self.database, self.stopping)

    @staticmethod
    def now() -> float:
        """Unix seconds."""
        return time.time()


async def _platform(request: Request) -> Platform:  # in the event loop: a thread would cost more than the look
    platform: Platform = request.app.state.platform
    return platform


Shared = Annotated[Platform, Depends(_platform)]
