"""The keys of the provider whose tokens callers show: fetched by the server, kept, and told to every location."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from joserfc.jwk import OctKey, RSAKey

from falaj.api import caller_admission
from falaj.api.caller_provider import REFRESH_S, RETRY_S, CallerProvider
from falaj.api.platform import Platform
from falaj.config.platform_spec import PlatformSpec
from falaj.core.home import Home
from falaj.dataplane.callers import Admittance
from falaj.storage import EndpointRow
from falaj.trust import configuration
from falaj.trust.identity.federation.errors import ProviderError
from tests.databases import migrated_sqlite
from tests.identity_providers import Liar, run_liar

pytestmark = pytest.mark.integration


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield Platform(Home(tmp_path / "home", {}).prepare(), database)
    database.close()


@pytest.fixture
def liar() -> Iterator[Liar]:
    with run_liar() as provider:
        yield provider


def settle(platform: Platform, issuer: str) -> None:
    """An endpoint of callers with tokens of an issuer."""
    named = {"issuer": issuer, "audience": "https://models.example.org/{endpoint}", "max_life": 600.0}
    spec = replace(PlatformSpec.default(), identity={"callers": named})
    with platform.database.transaction() as session:
        configuration.apply(session, spec, "user:root", 1.0)
        session.add(
            EndpointRow(location="local", environment="dev", model="m", release=1, version=1,
                        plan={"callers": "oidc"}, status={}, updated_at=1.0)
        )  # fmt: skip


def gateway_view(platform: Platform) -> tuple[Admittance, int]:
    """What the gateway of the location is told, and the version of it."""
    with platform.database.reading() as session:
        row = session.get_one(EndpointRow, ("local", "dev", "m"))
        return caller_admission.of_location(session, platform, "local", [row]), row.version


def test_gateways_are_told_the_keys_and_whenever_they_change(platform: Platform, liar: Liar) -> None:
    settle(platform, liar.issuer)
    admittance, first = gateway_view(platform)
    assert admittance.entry.provider is not None and admittance.entry.provider.jwks == {}
    assert admittance.callers["dev/m"].audience == "https://models.example.org/dev/m"
    platform.caller_provider.refresh_when_due(1.0)
    admittance, second = gateway_view(platform)
    assert admittance.entry.provider is not None and admittance.entry.provider.max_life_s == 600
    assert [key["kid"] for key in admittance.entry.provider.jwks["keys"]] == ["first"] and second > first
    assert Admittance.from_json(admittance.to_json()) == admittance
    platform.caller_provider.refresh_when_due(2.0 + REFRESH_S)
    assert gateway_view(platform)[1] == second
    liar.published = [RSAKey.generate_key(2048, {"kid": "second"}).as_dict(private=False)]
    platform.caller_provider.refresh_when_due(3.0 + REFRESH_S)
    assert gateway_view(platform)[1] == second  # asked a moment ago
    platform.caller_provider.refresh_when_due(4.0 + 2 * REFRESH_S)
    assert gateway_view(platform)[1] > second


def test_keys_outlive_the_server_and_a_provider_that_is_down(platform: Platform, liar: Liar) -> None:
    settle(platform, liar.issuer)
    platform.caller_provider.refresh_when_due(1.0)
    liar.changes = {"issuer": "https://login.example.com"}
    again = CallerProvider(platform.home, platform.database)
    with pytest.raises(ProviderError, match="another issuer"):
        again.refresh_when_due(1.0)
    again.refresh_when_due(1.0 + RETRY_S / 2)  # is not asked all the time
    named = {"issuer": liar.issuer, "max_life": 600.0}
    jwks_source = again.issuer(named)
    assert jwks_source is not None and jwks_source.jwks["keys"]
    other = again.issuer({**named, "issuer": "https://login.example.com"})
    assert other is not None and other.jwks == {}


def test_a_secret_that_is_published_is_nobodys_key(platform: Platform, liar: Liar) -> None:
    settle(platform, liar.issuer)
    liar.published = [OctKey.generate_key(256, {"kid": "first"}).as_dict(private=True)]
    with pytest.raises(ProviderError, match="no key"):
        platform.caller_provider.refresh_when_due(1.0)
