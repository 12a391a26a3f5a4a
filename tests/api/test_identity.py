from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.schemas.identity import key_proof
from falaj.supply_chain.attestations import IDENTITY, load_or_create_key, open_keyring, verify_envelope
from falaj.trust.identity import offer_setup
from falaj.trust.identity.totp import STEP_S, code_at

PASSWORD = "correct horse battery"
ROOT = {"name": "root", "email": "root@example.org", "password": PASSWORD}
Opened = Callable[..., TestClient]
pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),  # what is below is tested on both
    pytest.mark.integration,
]


@pytest.fixture
def carrying(anonymous: TestClient) -> Opened:
    """A client of the same application that carries another secret."""

    def make(secret: str) -> TestClient:
        return TestClient(anonymous.app, headers={"authorization": f"Bearer {secret}"}, raise_server_exceptions=False)

    return make


@pytest.fixture
def root(anonymous: TestClient, platform: Platform, carrying: Opened) -> TestClient:
    link = offer_setup(platform.database, platform.home.root, platform.home.server_url, platform.now())
    assert link is not None
    answer = anonymous.post("/api/v1/auth/setup", json={"link": link.read_text(), **ROOT})
    assert answer.status_code == 201, answer.text
    assert not link.exists()
    return carrying(answer.json()["token"])


@pytest.fixture
def ana(root: TestClient, anonymous: TestClient, carrying: Opened) -> TestClient:
    request_body = {
        "name": "ana",
        "email": "ana@example.org",
        "roles": [{"role": "release-manager", "environment": "prod"}],
    }
    invited = root.post("/api/v1/accounts", json=request_body)
    assert invited.status_code == 201, invited.text
    chosen = {"link": invited.json()["link"], "password": PASSWORD}
    assert anonymous.post("/api/v1/auth/password", json=chosen).status_code == 204
    return carrying(logged_in(anonymous))


def logged_in(anonymous: TestClient, otp: str = "") -> str:
    answer = anonymous.post("/api/v1/auth/login", json={"name": "ana", "password": PASSWORD, "otp": otp})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def test_whoami_says_what_the_platform_takes_one_for(ana: TestClient, client: TestClient) -> None:
    me = ana.get("/api/v1/auth/whoami").json()
    assert (me["id"], me["email"], me["step_up_method"], me["actions"]) == (
        "user:ana",
        "ana@example.org",
        "login",
        None,
    )
    assert me["roles"] == [{"role": "release-manager", "project": None, "environment": "prod", "source": "account"}]
    assert client.get("/api/v1/auth/whoami").json()["id"] == "service:home"


def test_a_session_ends_at_logout(ana: TestClient) -> None:
    assert ana.post("/api/v1/auth/logout").status_code == 204
    assert ana.get("/api/v1/auth/tokens").status_code == 401


def test_an_application_is_enrolled_used_and_forgotten(ana: TestClient, anonymous: TestClient) -> None:
    secret = base64.b32decode(ana.post("/api/v1/auth/totp").json()["secret"])
    step = int(time.time() // STEP_S)
    assert ana.post("/api/v1/auth/totp/confirm", json={"otp": "000000"}).status_code in {401, 204}
    assert ana.post("/api/v1/auth/totp/confirm", json={"otp": code_at(secret, step)}).status_code == 204
    refused = anonymous.post("/api/v1/auth/login", json={"name": "ana", "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (401, "identity.otp-needed")
    stepped = ana.post("/api/v1/auth/step-up", json={"otp": code_at(secret, step + 1)})
    assert stepped.json()["method"] == "totp"
    assert ana.delete("/api/v1/auth/totp").status_code == 204
    logged_in(anonymous)


def test_a_key_is_registered_listed_and_revoked(ana: TestClient, platform: Platform) -> None:
    signer = load_or_create_key(platform.home.root / "approval.pem")
    proof = base64.b64encode(signer.sign(key_proof("user:ana", signer.key_id))).decode()
    answer = ana.post("/api/v1/auth/approval-keys", json={"pem": signer.public_pem, "proof": proof})
    assert answer.status_code == 201, answer.text
    trusted = open_keyring(platform.home.keys).trusted()
    statement = verify_envelope(answer.json()["envelope"], trusted)
    assert (statement.predicate_type, statement.predicate["person"]) == (IDENTITY, "user:ana")
    assert [item["key_id"] for item in ana.get("/api/v1/auth/approval-keys").json()] == [signer.key_id]
    assert ana.delete(f"/api/v1/auth/approval-keys/{signer.key_id}").status_code == 204
    assert ana.get("/api/v1/auth/approval-keys").json() == []


def test_own_tokens_are_made_listed_and_revoked(ana: TestClient, carrying: Opened) -> None:
    token_response = ana.post("/api/v1/auth/tokens", json={"label": "notebook", "actions": ["read"], "days": 7}).json()
    token = carrying(token_response["secret"])
    assert token.get("/api/v1/runs").status_code == 200
    assert [item["label"] for item in ana.get("/api/v1/auth/tokens").json()] == ["notebook"]
    assert token_response["secret"] not in ana.get("/api/v1/auth/tokens").text
    assert ana.delete(f"/api/v1/auth/tokens/{token_response['token']['id']}").status_code == 204
    assert token.get("/api/v1/runs").status_code == 401


@pytest.mark.parametrize(
    "request_body",
    [
        {"label": "x", "actions": ["approve-change"]},
        {"label": "x", "actions": []},
        {"label": "x", "actions": ["fly"]},
        {"label": "x", "actions": ["read"], "days": 366},
        {"label": "\n", "actions": ["read"]},
    ],
)
def test_a_token_that_may_too_much_is_not_made(ana: TestClient, request_body: dict[str, object]) -> None:
    answer = ana.post("/api/v1/auth/tokens", json=request_body)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"identity.token-scope", "identity.input", "request.invalid"}


def test_a_service_gets_an_account_roles_and_tokens(root: TestClient, carrying: Opened) -> None:
    token_response = root.post("/api/v1/services/ci/tokens", json={"label": "ci", "actions": ["read", "run"]}).json()
    token = carrying(token_response["secret"])
    assert token.get("/api/v1/runs").status_code == 403  # no role yet
    answer = root.put("/api/v1/accounts/service:ci/roles", json=[{"role": "service"}])
    assert [item["role"] for item in answer.json()["roles"]] == ["service"]
    assert token.get("/api/v1/runs").status_code == 200
    [listed] = root.get("/api/v1/services/tokens").json()
    assert root.delete(f"/api/v1/services/tokens/{listed['id']}").status_code == 204
    assert token.get("/api/v1/runs").status_code == 401


def test_administrators_lock_and_unlock_others(root: TestClient, ana: TestClient, anonymous: TestClient) -> None:
    assert root.post("/api/v1/accounts/ana/lock", json={"reason": "left"}).json()["locked_reason"] == "left"
    assert ana.get("/api/v1/auth/tokens").status_code == 401
    assert anonymous.post("/api/v1/auth/login", json={"name": "ana", "password": PASSWORD}).status_code == 401
    assert root.post("/api/v1/accounts/ana/unlock").json()["locked_at"] is None
    logged_in(anonymous)
    own = root.post("/api/v1/accounts/root/lock", json={"reason": "oops"})
    assert (own.status_code, own.json()["code"]) == (409, "identity.own-account")


def test_a_forgotten_password_gets_a_new_link(root: TestClient, ana: TestClient, anonymous: TestClient) -> None:
    link = root.post("/api/v1/accounts/ana/link", json={}).json()["link"]
    answer = anonymous.post("/api/v1/auth/password", json={"link": link, "password": "a new good password"})
    assert answer.status_code == 204
    assert ana.get("/api/v1/auth/tokens").status_code == 401


def test_accounts_are_listed_without_secrets(root: TestClient, ana: TestClient) -> None:
    answer = root.get("/api/v1/accounts")
    assert [(item["id"], item["totp"]) for item in answer.json()] == [("user:ana", False), ("user:root", False)]
    assert "argon2" not in answer.text


def test_an_unknown_account_and_a_taken_name_are_said(root: TestClient, ana: TestClient) -> None:
    assert root.post("/api/v1/accounts/bo/unlock").json()["code"] == "identity.unknown"
    again = root.post("/api/v1/accounts", json={"name": "ana", "email": "x@example.org"})
    assert (again.status_code, again.json()["code"]) == (409, "identity.taken")
