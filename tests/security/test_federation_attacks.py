"""Attacks on logins by an identity provider and on security keys, each with the answer that it must get."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from falaj.core.principal import Principal
from falaj.trust.identity import federation
from falaj.trust.identity.federation import RelyingParty, logins, security_keys
from falaj.trust.identity.federation.errors import AssertionNeededError, ProviderError
from falaj.trust.identity.federation.web import Web
from tests.control.releases.scene import Scene, open_scene
from tests.databases import migrated_sqlite
from tests.security_keys import SoftwareKey
from tests.trust.identity.federation.conftest import PUBLIC, VERIFIER, Door, api, door, liar, platform, query
from tests.trust.identity.federation.test_security_keys import OTHER, STATEMENT, Person, person

pytestmark = pytest.mark.integration

__all__ = ["api", "door", "liar", "person", "platform"]

Claims = dict[str, Any]
Sign = Callable[[Claims, Claims], str]


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unsigned(header: Claims, claims: Claims) -> str:
    return ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))


# Tokens


@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature(door: Door, name: str) -> None:
    door.liar.sign = lambda header, claims: _unsigned({**header, "alg": name}, claims) + "."
    assert door.refusal() == "it is not signed by an algorithm that counts"


@pytest.mark.parametrize("form", ["pem", "der", "n", "jwk"])
def test_a_token_whose_secret_is_the_public_key(door: Door, form: str) -> None:
    public = door.liar.key.public_key
    secrets = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "n": door.liar.key.as_dict(private=False)["n"].encode(),
        "jwk": json.dumps(door.liar.key.as_dict(private=False)).encode(),
    }

    def confuse(header: Claims, claims: Claims) -> str:
        signed = _unsigned({**header, "alg": "HS256"}, claims)
        return f"{signed}.{_b64(hmac.digest(secrets[form], signed.encode(), 'sha256'))}"

    door.liar.sign = confuse
    assert door.refusal() == "it is not signed by an algorithm that counts"


def test_a_shared_secret_in_the_key_set(door: Door) -> None:
    secret = b"known to everyone who reads the key set"
    door.liar.published = [{"kty": "oct", "k": _b64(secret), "kid": "oct", "alg": "RS256"}]

    def sign(header: Claims, claims: Claims) -> str:
        signed = _unsigned({**header, "alg": "RS256", "kid": "oct"}, claims)
        return f"{signed}.{_b64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    door.liar.sign = sign
    assert door.refusal() == "it is signed by an unknown key"


@pytest.mark.parametrize("place", ["jwk", "jku", "x5u"])
def test_a_token_that_brings_its_own_key(door: Door, place: str) -> None:
    mine = RSAKey.generate_key(2048, {"kid": door.liar.key.kid})
    brought = {"jwk": mine.as_dict(private=False), "jku": f"{door.liar.issuer}/mine", "x5u": f"{door.liar.issuer}/mine"}
    door.liar.sign = lambda header, claims: jwt.encode({**header, place: brought[place]}, claims, mine)
    assert door.refusal() == "its signature does not hold"
    assert "/mine" not in door.liar.requests


def test_a_key_of_another_kind_than_the_signature(door: Door) -> None:
    curve = ECKey.generate_key("P-256", {"kid": "curve"})
    door.liar.published = [{**curve.as_dict(private=False), "alg": "ES256"}]
    door.liar.header = {"kid": "curve"}
    assert door.refusal() == "it is signed by an unknown key"
    door.platform.federation._providers.clear()
    door.liar.published = [curve.as_dict(private=False)]
    assert door.refusal() == "its signature does not hold"


def test_edited_claims_under_a_good_signature(door: Door) -> None:
    def edit(header: Claims, claims: Claims) -> str:
        head, _, signature = jwt.encode(header, claims, door.liar.key).split(".")
        return f"{head}.{_b64(json.dumps({**claims, 'groups': ['release-managers']}).encode())}.{signature}"

    door.liar.sign = edit
    assert door.refusal() == "its signature does not hold"


def test_a_header_that_must_be_understood_and_is_not(door: Door) -> None:
    def sign(header: Claims, claims: Claims) -> str:
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.hashes import SHA256

        signed = _unsigned({**header, "crit": ["exp"], "exp": 0}, claims)
        return f"{signed}.{_b64(door.liar.key.private_key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"  # type: ignore[union-attr]

    door.liar.sign = sign
    assert door.refusal() == "its signature does not hold"


@pytest.mark.parametrize("token", ["", "a.b", "....", "{}", "e30.e30.", "\u00e9.e30.x", "W10.W10.W10", "x" * 200_000])
def test_what_is_no_token(door: Door, token: str) -> None:
    door.liar.sign = lambda *_: token
    assert door.refusal() in {"there is none", "it is not a token", "it is not signed by an algorithm that counts"}


@pytest.mark.parametrize(
    ("claims", "answer"),
    [
        ({"iss": "https://login.example.org"}, "it is of another issuer"),
        ({"iss": ""}, "it is of another issuer"),
        ({"aud": "another-program"}, "it is for another audience"),
        ({"aud": []}, "it is for another audience"),
        ({"aud": ["falaj", "another-program"]}, "it was asked for by another party"),
        ({"azp": "another-program"}, "it was asked for by another party"),
        ({"exp": 1_000_000_000}, "it has expired"),
        ({"exp": None}, "'exp' is not a time"),
        ({"exp": "9999999999"}, "'exp' is not a time"),
        ({"iat": time.time() + 3_600}, "it was not made just now"),
        ({"iat": 1_000_000_000}, "it was not made just now"),
        ({"nbf": time.time() + 3_600}, "it is not valid yet"),
        ({"auth_time": time.time() + 3_600}, "it says that the person proved it in the future"),
        ({"nonce": "of-another-login"}, "it is of another login"),
        ({"nonce": None}, "it is of another login"),
        ({"sub": ""}, "it names nobody"),
        ({"sub": None}, "it names nobody"),
    ],
)
def test_a_signed_token_that_is_not_for_this_login(door: Door, claims: Claims, answer: str) -> None:
    door.liar.claims = claims
    assert door.refusal() == answer
    [leaf, *_] = door.leaves("session.refused")
    assert leaf.outcome == "denied" and answer in (leaf.details or {})["reason"]


def test_a_flood_of_unknown_keys_asks_the_provider_once(door: Door) -> None:
    for number in range(8):
        door.liar.header = {"kid": f"unknown-{number}"}
        assert door.refusal() == "it is signed by an unknown key"
    assert door.liar.requests.count("/keys") == 1
    door.liar.header = {}
    assert door.log_in()["id"] == "user:omar"


# The way there and back


def test_a_state_is_taken_once(door: Door) -> None:
    begun = door.start()
    cookie = door.api.cookies["falaj-login"]
    assert "code=" in door.come_back(begun).headers["location"]
    door.api.cookies.set("falaj-login", cookie)
    again = door.come_back(begun)
    assert (again.status_code, again.json()["code"]) == (401, "federation.state")


def test_a_victims_browser_with_an_attackers_answer(door: Door) -> None:
    begun = door.start()
    door.start()  # the victim has a login of its own on its way
    state = query(begun.headers["location"])["state"]
    forced = door.api.get("/api/v1/auth/oidc/callback", params={"state": state, "code": "good"}, follow_redirects=False)
    assert forced.json()["code"] == "federation.state"
    door.api.cookies.clear()
    bare = door.api.get("/api/v1/auth/oidc/callback", params={"state": state, "code": "good"}, follow_redirects=False)
    assert bare.json()["code"] == "federation.state"
    assert door.liar.forms == []


def test_an_answer_that_comes_too_late(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = door.start()
    later = time.time() + logins.LOGIN_S + 1
    monkeypatch.setattr(type(door.platform), "now", staticmethod(lambda: later))
    assert door.come_back(begun).json()["code"] == "federation.state"


def test_a_code_that_the_provider_does_not_know(door: Door) -> None:
    back = door.come_back(door.start(), code="stolen")
    assert query(back.headers["location"])["error"] == "federation.code"


def test_an_answer_of_another_provider(door: Door) -> None:
    back = door.come_back(door.start(), iss="https://login.example.org")
    assert "another issuer" in query(back.headers["location"])["error_description"]
    door.liar.changes = {"authorization_response_iss_parameter_supported": True}
    door.platform.federation._providers.clear()
    back = door.come_back(door.start())
    assert "another issuer" in query(back.headers["location"])["error_description"]
    assert door.liar.forms == []


def test_a_session_is_fetched_once(door: Door) -> None:
    code = door.code()
    assert door.redeem(code).status_code == 200
    assert door.redeem(code).json()["code"] == "federation.code"


def test_a_stolen_one_time_code_without_the_verifier_opens_nothing_for_anybody(door: Door) -> None:
    code = door.code()
    assert door.redeem(code, VERIFIER[::-1]).json()["code"] == "federation.code"
    assert door.redeem(code).json()["code"] == "federation.code"
    assert (door.leaves("session.refused")[0].details or {})["code"] == "federation.code"


def test_a_one_time_code_that_was_left_lying(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    code, later = door.code(), time.time() + logins.GRANT_S + 1
    monkeypatch.setattr(type(door.platform), "now", staticmethod(lambda: later))
    assert door.redeem(code).json()["code"] == "federation.code"


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "http://localhost:80/", "/\\evil"])
def test_a_login_that_would_return_to_somebody_else(door: Door, address: str) -> None:
    begun = door.start(return_to=address)
    assert (begun.status_code, begun.json()["code"]) == (400, "federation.return-address")


def test_the_host_header_does_not_choose_where_the_provider_sends_browsers(door: Door) -> None:
    query_params = {"challenge": logins.s256(VERIFIER), "return_to": "/"}
    begun = door.api.get(
        "/api/v1/auth/oidc/start", params=query_params, headers={"host": "evil.example"}, follow_redirects=False
    )
    assert query(begun.headers["location"])["redirect_uri"] == f"{PUBLIC}/api/v1/auth/oidc/callback"


def test_logins_that_nobody_finishes_do_not_fill_the_database(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "MAX_LOGINS", 0)
    assert (door.start().status_code, door.start().json()["code"]) == (429, "federation.busy")


# The provider's own addresses


@pytest.mark.parametrize("to", ["http://169.254.169.254/latest/meta-data", "https://login.example.org/"])
def test_a_provider_that_leads_elsewhere_is_not_followed(door: Door, to: str) -> None:
    door.liar.answer = lambda *_: (302, {"to": to})  # type: ignore[method-assign]
    try:
        answer = door.start()
    finally:
        del door.liar.answer  # type: ignore[attr-defined]
    assert (answer.status_code, answer.json()["code"]) == (503, "federation.provider")
    assert "302" in answer.json()["title"]


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
@pytest.mark.parametrize("address", ["http://169.254.169.254/x", "https://169.254.169.254/x", "http://10.0.0.1/", None])
def test_a_provider_that_names_addresses_where_none_is(door: Door, name: str, address: str | None) -> None:
    door.liar.changes = {name: address}
    assert door.start().json()["code"] == "federation.provider"


def test_an_answer_without_an_end(door: Door) -> None:
    door.liar.changes = {"padding": "x" * 600_000}
    assert "too long" in door.start().json()["title"]
    with pytest.raises(ProviderError):
        Web(timeout_s=0.0).get(f"{door.liar.issuer}/keys", "keys")


# Security keys


def test_a_signature_for_another_approval(person: Person) -> None:
    response = person.key.get(person.options(STATEMENT))
    person.options(OTHER)
    assert person.finish(response).json()["code"] == "security-key.refused"


def test_a_challenge_that_the_key_was_never_given(person: Person) -> None:
    options = person.options()
    for challenge in (_b64(bytes.fromhex(STATEMENT)), _b64(bytes(32)), ""):
        answer = person.finish(person.key.get({**options, "challenge": challenge}))
        assert (answer.status_code, answer.json()["code"]) == (401, "security-key.refused")
    [leaf, *_] = person.door.leaves("security-key.refused")
    assert (leaf.outcome, leaf.actor) == ("denied", "user:omar")


@pytest.mark.parametrize("counts", [True, False])
def test_a_signature_is_taken_once(person: Person, counts: bool) -> None:
    person.key.counts = counts
    response = person.key.get(person.options())
    assert person.finish(response).status_code == 200
    assert person.finish(response).json()["code"] == "security-key.refused"
    person.options()  # also when the same statement is asked for again
    assert person.finish(response).json()["code"] == "security-key.refused"


def test_a_copied_key_counts_backwards(person: Person) -> None:
    for _ in range(3):
        person.finish(person.key.get(person.options()))
    person.key.count = 1
    answer = person.finish(person.key.get(person.options()))
    assert (answer.status_code, answer.json()["code"]) == (401, "security-key.counter")
    assert (person.door.leaves("security-key.refused")[0].details or {})["code"] == "security-key.counter"
    person.key.counts, person.key.count = False, 0
    assert person.finish(person.key.get(person.options())).json()["code"] == "security-key.counter"


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://localhost.evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": "https://localhost:8470"},
        {"rp_id": "evil.example"},
        {"verified": False},
    ],
)
def test_a_page_of_somebody_else_or_a_key_without_its_person(person: Person, lie: dict[str, Any]) -> None:
    for name, value in lie.items():
        setattr(person.key, name, value)
    assert person.finish(person.key.get(person.options())).json()["code"] == "security-key.refused"
    stranger = Person(person.door, SoftwareKey(**{"origin": PUBLIC, "rp_id": "localhost", **lie}))
    assert stranger.register().json()["code"] == "security-key.refused"


def test_another_key_under_the_id_of_a_registered_one(person: Person) -> None:
    forged = SoftwareKey(PUBLIC, "localhost", id=person.key.id, count=100)
    assert person.finish(forged.get(person.options())).json()["code"] == "security-key.refused"


def test_the_key_and_the_challenge_of_somebody_else(person: Person) -> None:
    person.door.liar.claims = {"sub": "eve", "preferred_username": "eve", "email": "eve@example.org"}
    eve = Person(person.door)
    assert eve.register().status_code == 201
    answer = eve.finish(eve.key.get(person.options()))
    assert answer.json()["code"] == "security-key.refused"
    answer = eve.finish(person.key.get(eve.options()))
    assert answer.json()["code"] == "security-key.refused"


def test_a_registration_is_no_step_up_and_the_reverse(person: Person) -> None:
    other = Person(person.door)
    options = other.post("security-keys/begin").json()
    assert person.finish(person.key.get(options)).json()["code"] == "security-key.refused"
    answer = other.post("security-keys", label="x", response=other.key.create({**options, **person.options()}))
    assert answer.json()["code"] == "security-key.refused"


@pytest.mark.parametrize("response", [{}, {"response": {}}, {"response": {"clientDataJSON": "!"}}, {"response": []}])
def test_what_is_no_answer_of_a_key(person: Person, response: dict[str, Any]) -> None:
    person.options()
    assert person.finish(response).json()["code"] == "security-key.refused"
    options = person.options()
    good = person.key.get(options)
    for part in ("authenticatorData", "signature"):
        broken = {**good, "response": {**good["response"], part: "AAAA"}}
        assert person.finish(broken).json()["code"] == "security-key.refused"
    assert person.finish({**good, "rawId": "*"}).json()["code"] == "security-key.refused"


# Approvals


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield open_scene(tmp_path, database)
    database.close()


def _touch(scene: Scene, who: Principal, key: SoftwareKey, statement: str, now: float) -> Principal:
    """The person, after a step-up with the security key for a statement."""
    party = RelyingParty.at(PUBLIC)
    with scene.platform.database.transaction() as session:
        if not security_keys.keys_of(session, who.id):
            options = security_keys.begin_registration(session, party, scene.fresh(who), now)
            security_keys.finish_registration(session, party, scene.fresh(who), key.create(options), "key", now)
        options = federation.begin_step_up(session, party, who, statement, now)
        assert federation.finish_step_up(session, party, who, key.get(options), now).statement == statement
    return replace(scene.fresh(who), step_up_method=federation.WEBAUTHN)


def test_a_security_keys_proof_approves_what_it_signed_and_nothing_else(scene: Scene) -> None:
    from falaj.control import changes

    omar, rania = scene.person("omar", "ml-engineer"), scene.person("rania", "release-manager")
    release, key = scene.release(), SoftwareKey(PUBLIC, "localhost")
    scene.to_dev(release)
    scene.promoted(omar, release, "test")
    pending_change = scene.request(omar, release, "pre-prod")
    signed = scene.signed(rania, pending_change.id)
    statement = hashlib.sha256(base64.b64decode(signed["payload"])).hexdigest()
    touched = _touch(scene, rania, key, OTHER, scene.now)
    with pytest.raises(AssertionNeededError), scene.platform.database.transaction() as session:
        changes.approve(scene.platform.turn(session), touched, pending_change.id, signed)
    touched = _touch(scene, rania, key, statement, scene.now)
    with scene.platform.database.transaction() as session:
        assert changes.approve(scene.platform.turn(session), touched, pending_change.id, signed).state == "approved"
