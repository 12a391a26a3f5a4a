"""Attacks by people of an identity provider on accounts of others; attacks on the login itself are beside this file.

The provider is a real server on loopback whose token endpoint hands out whatever the attack wants.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from falaj.core.principal import PrincipalKind
from falaj.trust.identity import NewAccount, accounts, authenticate
from falaj.trust.identity.errors import IdentityTakenError
from falaj.trust.identity.federation.errors import FederatedLoginError
from falaj.trust.identity.federation.logins import Logins, RedirectResponse, s256
from falaj.trust.identity.federation.provider import Attempt, Provider, ProviderSettings
from falaj.trust.identity.federation.web import Web
from tests.databases import migrated_sqlite
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

NOW = 1_900_000_000.0
CLIENT = "falaj"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
STRANGER = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
ATTEMPT = Attempt("state", "the-nonce", "v" * 43, "http://127.0.0.1:1/callback")
VERIFIER = "v" * 43
RETURN = "http://127.0.0.1:8000/done"

Claims = dict[str, Any]


@dataclass
class FakeProvider:
    """What the server answers, and how often it was asked for what."""

    url: str = ""
    token: str = ""
    requests: list[str] = field(default_factory=list)

    def answer(self, path: str) -> dict[str, Any]:
        """The document behind a path."""
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
        return {"keys": [KEY.as_dict(private=False)]} if path == "/keys" else {"id_token": self.token}


@pytest.fixture(scope="module")
def listening() -> Iterator[FakeProvider]:
    """The server of all tests of this file."""
    fake = FakeProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.requests.append(self.path)
            content = json.dumps(fake.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fake(listening: FakeProvider) -> FakeProvider:
    """The server, as it is before an attack."""
    listening.token = ""
    listening.requests.clear()
    return listening


@pytest.fixture
def provider(fake: FakeProvider) -> Provider:
    """The platform's side, that has asked for nothing yet."""
    return Provider(ProviderSettings(fake.url, CLIENT), Web(timeout_s=HANGS_AFTER_S))


def claims_of(fake: FakeProvider) -> Claims:
    """What an honest token says."""
    base_claims = {"iss": fake.url, "aud": CLIENT, "sub": "u-1", "nonce": ATTEMPT.nonce, "groups": ["team"]}
    return {**base_claims, "iat": NOW, "exp": NOW + 300, "email": "ana@example.org", "email_verified": True}


def signed(claims: Claims, key: RSAKey = KEY, kid: str = "one") -> str:
    """A token by RS256."""
    return jws.serialize_compact({"alg": "RS256", "kid": kid}, json.dumps(claims), key)


@pytest.mark.parametrize("claim_value", [False, None, "true", 1])
def test_an_address_that_is_not_verified_is_nobodys(
    fake: FakeProvider, provider: Provider, claim_value: object
) -> None:
    fake.token = signed({**claims_of(fake), "email_verified": claim_value})
    assert provider.person("code", ATTEMPT, None, NOW).email is None


def test_unknown_keys_do_not_make_the_platform_hammer_the_provider(fake: FakeProvider, provider: Provider) -> None:
    for n in range(5):
        fake.token = signed(claims_of(fake), STRANGER, f"unknown-{n}")
        refused(provider, "unknown key", NOW + n)
    assert fake.requests.count("/keys") == 1
    refused(provider, "unknown key", NOW + 59.9)
    assert fake.requests.count("/keys") == 1
    refused(provider, "unknown key", NOW + 61.0)
    assert fake.requests.count("/keys") == 2


def test_an_answer_of_another_issuer_is_refused_before_its_code_is_sent(fake: FakeProvider, provider: Provider) -> None:
    fake.token = signed(claims_of(fake))
    with pytest.raises(FederatedLoginError) as caught:
        provider.person("code", ATTEMPT, "https://evil.example", NOW)
    assert caught.value.code == "federation.token"
    assert "/token" not in fake.requests


@pytest.fixture
def logins(fake: FakeProvider, provider: Provider, tmp_path: Path) -> Iterator[Logins]:
    """The logins of an installation without people."""
    fake.token = ""
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield Logins(database, provider, ATTEMPT.callback)
    database.close()


def begun(fake: FakeProvider, logins: Logins, extra_claims: Claims | None = None) -> RedirectResponse:
    """Begin a login, let the provider make an honest token for it, and return its answer."""
    started = logins.start(s256(VERIFIER), RETURN, NOW)
    login_query = dict(parse_qsl(urlsplit(started.address).query))
    assert login_query["code_challenge_method"] == "S256"
    fake.token = signed({**claims_of(fake), "nonce": login_query["nonce"], **(extra_claims or {})})
    return RedirectResponse(login_query["state"], started.browser, "code")


def returned(address: str) -> dict[str, str]:
    """What a finished login hands to the program that began it."""
    assert address.startswith(f"{RETURN}?")
    return dict(parse_qsl(urlsplit(address).query))


def refused_as(code: str, attack: Callable[[], object]) -> None:
    """The attack is answered with this code."""
    with pytest.raises(FederatedLoginError) as caught:
        attack()
    assert caught.value.code == code


def test_a_state_in_another_browser_is_refused_and_stays_good_in_its_own(fake: FakeProvider, logins: Logins) -> None:
    answer = begun(fake, logins)
    for browser in ("", "another"):
        refused_as("federation.state", partial(logins.finish, replace(answer, browser=browser), NOW))
    assert "code" in returned(logins.finish(answer, NOW))


def local_account(logins: Logins) -> None:
    """An account of the platform's own, of ana."""
    with logins.database.transaction() as session:
        new_account = NewAccount(PrincipalKind.USER, "ana", accounts.LOCAL, "ana@example.org")
        accounts.create(session, new_account, "user:ana", NOW)


def test_a_local_account_is_not_taken_over_by_its_address(fake: FakeProvider, logins: Logins) -> None:
    local_account(logins)
    code = returned(logins.finish(begun(fake, logins), NOW))["code"]
    with pytest.raises(IdentityTakenError):
        logins.redeem(code, VERIFIER, NOW)


def test_a_local_account_is_not_taken_over_by_its_name(fake: FakeProvider, logins: Logins) -> None:
    local_account(logins)
    answer = begun(fake, logins, {"preferred_username": "ana", "email_verified": False})
    secret = logins.redeem(returned(logins.finish(answer, NOW))["code"], VERIFIER, NOW)
    with logins.database.reading() as session:
        person = authenticate(session, secret, NOW)
    assert person is not None
    assert person.id.startswith("user:ana-")
    assert person.email is None


def refused(provider: Provider, why: str = "", now: float = NOW) -> None:
    """The token is not believed, for this reason."""
    with pytest.raises(FederatedLoginError, match=why) as caught:
        provider.person("code", ATTEMPT, None, now)
    assert caught.value.code == "federation.token"
