"""A real port for agents on loopback, and agents that come in through it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from falaj.api.mutual_tls import Listener
from falaj.api.platform import Platform
from falaj.config.platform_spec import LocationSpec, PlatformSpec
from falaj.core.home import Home
from falaj.dataplane.agent.agent_identity import Membership
from falaj.dataplane.agent.enrolment import enrol
from falaj.storage import Database
from falaj.supply_chain.certificates.authority import CertificateAuthority
from falaj.trust import configuration
from falaj.trust.pki import enrolment
from tests.apps import app_of
from tests.databases import migrated_sqlite
from tests.servers import free_ports

LOCATIONS = ("edge-1", "edge-2")


@dataclass(frozen=True)
class AgentsPort:
    """The port, and what is behind it."""

    platform: Platform
    url: str

    @property
    def authority(self) -> CertificateAuthority:
        return self.platform.authority

    def invite(self, location: str = "edge-1", life_s: float = 60) -> str:
        with self.platform.database.transaction() as session:
            return enrolment.invite(session, location, "user:root", self.platform.now(), life_s).token

    def join(self, folder: Path, location: str = "edge-1", token: str = "") -> Membership:
        """Enrol a location, whose folder is in `folder`."""
        spent = token or self.invite(location)
        place = Home(folder, {}).location_dir(location)
        return enrol(place, folder / "keys", location, self.url, spent, self.authority.fingerprint)

    def connect(self, presented: Path | None = None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> httpx.Client:
        """A client that shows a certificate that the test made, and the installation's token."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = version
        context.check_hostname = False  # these tests attack the server
        context.load_verify_locations(cadata=self.authority.pem)
        if presented is not None:
            context.load_cert_chain(presented)
        headers = {"authorization": f"Bearer {self.platform.home.token}"}
        return httpx.Client(base_url=self.url, verify=context, trust_env=False, headers=headers)


@contextmanager
def agents_port(folder: Path, life_s: float = 600.0) -> Iterator[AgentsPort]:
    """Open the port of an installation with two locations elsewhere."""
    home = Home(folder / "home", {"FALAJ_CERTIFICATE_LIFE_S": str(life_s)}).prepare()
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(home, database)
    name_locations(database)
    port = free_ports(1)[0]
    listener = Listener(platform, app_of(platform), "127.0.0.1", port)
    listener.start()
    yield AgentsPort(platform, f"https://127.0.0.1:{port}")
    listener.stop()
    database.close()


def name_locations(database: Database) -> None:
    """Configure `LOCATIONS` beside the installation's own."""
    spec = PlatformSpec.default()
    locations = {**spec.locations, **{name: LocationSpec(name, kind="edge") for name in LOCATIONS}}
    with database.transaction() as session:
        configuration.apply(session, replace(spec, locations=locations), "user:root", 1.0)
