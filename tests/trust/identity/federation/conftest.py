"""An installation whose people come from a provider that lies when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.config.platform_spec import BindingSpec, PlatformSpec
from falaj.core.home import Home
from falaj.trust import configuration
from falaj.trust.audit.reading import EntryFilter, Shown, entries
from falaj.trust.identity.federation.logins import s256
from tests.apps import app_of
from tests.databases import migrated_sqlite
from tests.identity_providers import Liar, run_liar

VERIFIER = "a-verifier-that-the-beginner-of-a-login-keeps-0123456789"
BACK = "http://127.0.0.1:9/back"
PUBLIC = "http://localhost:8470"


def with_provider(platform: Platform, issuer: str, *roles: BindingSpec, client_id: str = "falaj") -> None:
    """Apply settings that name a provider, and give its groups roles."""
    bound = (BindingSpec("release-manager", group="release-managers"), BindingSpec("data-scientist", group="ml"))
    oidc = {"issuer": issuer, "client_id": client_id, "group_claim": "groups"}
    platform_spec = replace(PlatformSpec.default(), roles=(*bound, *roles), identity={"oidc": oidc})
    with platform.database.transaction() as session:
        configuration.apply(session, platform_spec, "user:root", platform.now())


@dataclass
class Door:
    """A browser and a program that log in together at a server whose provider is the liar.

    Attributes:
        platform: The server's parts.
        api: The server; each login begins with a new browser.
        liar: The provider.
    """

    platform: Platform
    api: TestClient
    liar: Liar

    def start(self, verifier: str = VERIFIER, return_to: str = BACK) -> Any:
        """Begin a login, as a browser that is sent to the server."""
        self.api.cookies.clear()
        query_params = {"challenge": s256(verifier), "return_to": return_to}
        begun = self.api.get("/api/v1/auth/oidc/start", params=query_params, follow_redirects=False)
        if begun.status_code == 302:
            self.liar.nonce = query(begun.headers["location"])["nonce"]
        return begun

    def come_back(self, begun: Any, **changes: str) -> Any:
        """Be sent back by the provider."""
        callback_params = {"state": query(begun.headers["location"])["state"], "code": self.liar.code} | changes
        return self.api.get("/api/v1/auth/oidc/callback", params=callback_params, follow_redirects=False)

    def code(self) -> str:
        """Log in as far as the one-time code."""
        return query(self.come_back(self.start()).headers["location"])["code"]

    def redeem(self, code: str, verifier: str = VERIFIER) -> Any:
        """Fetch the session."""
        return self.api.post("/api/v1/auth/oidc/redeem", json={"code": code, "verifier": verifier})

    def log_in(self) -> dict[str, Any]:
        """All of it; return whom the platform takes the person for, with the session's token."""
        opened = self.redeem(self.code())
        assert opened.status_code == 200, opened.text
        return self.whoami(opened.json()["token"]) | opened.json()

    def whoami(self, token: str) -> dict[str, Any]:
        principal_facts: dict[str, Any] = self.api.get("/api/v1/auth/whoami", headers=bearer(token)).json()
        return principal_facts

    def refusal(self) -> str:
        """Try to log in; return why the provider's token was not accepted."""
        back = self.come_back(self.start())
        assert back.status_code == 302 and back.headers["location"].startswith(BACK), back.text
        error_params = query(back.headers["location"])
        assert "code" not in error_params and error_params["error"] == "federation.token", error_params
        return error_params["error_description"].partition(": ")[2]

    def leaves(self, kind: str) -> list[Shown]:
        """Entries of the audit log, newest first."""
        with self.platform.database.reading() as session:
            return entries(session, EntryFilter(kind=kind))


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with run_liar() as liar_server:
        yield liar_server


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, liar: Liar) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("federation")
    database = migrated_sqlite(folder / "falaj.db")
    instance = Platform(Home(folder / "home", {"FALAJ_PUBLIC_URL": PUBLIC}).prepare(), database)
    with_provider(instance, liar.issuer)
    yield instance
    database.close()


@pytest.fixture(scope="module")
def api(platform: Platform) -> Iterator[TestClient]:
    app = app_of(platform)
    with TestClient(app, base_url=PUBLIC, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def door(platform: Platform, api: TestClient, liar: Liar) -> Door:
    """A door whose provider is honest again, and of which the platform knows nothing yet."""
    liar.published, liar.sign, liar.code = None, None, "good"
    liar.claims, liar.header, liar.changes = {}, {}, {}
    liar.requests, liar.forms = [], []
    platform.federation._providers.clear()
    return Door(platform, api, liar)


def query(address: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def bearer(token: str) -> dict[str, str]:
    """The header that carries a session."""
    return {"authorization": f"Bearer {token}"}
