"""Keys and secrets over the API: set, listed, forgotten, never told."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from falaj.api.platform import Platform
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.routers import keys
from falaj.storage import EventRow, ProjectRow
from falaj.trust.secrets import secret_values

pytestmark = pytest.mark.integration

VALUE = "correct horse battery staple"
SECRETS = "/api/v1/projects/flights/secrets"


@pytest.fixture(autouse=True)
def project(client: TestClient) -> None:
    request_body = {
        "name": "flights",
        "repository": "/srv/flights.git",
        "vendor": "github",
        "webhook_secret": "hook-s3cret",
    }
    assert client.post("/api/v1/projects", json=request_body).status_code == 201


def test_a_secret_is_kept_and_listed_and_forgotten(client: TestClient, platform: Platform) -> None:
    answer = client.put(f"{SECRETS}/DB_PASSWORD", json={"value": VALUE})
    assert answer.status_code == 200 and VALUE not in answer.text
    listed = client.get(SECRETS)
    assert [each["name"] for each in listed.json()] == ["DB_PASSWORD"] and VALUE not in listed.text
    assert listed.json()[0]["updated_by"] == "service:home"
    with platform.database.reading() as session:
        assert secret_values(session, platform.vault, "flights", ["DB_PASSWORD"]) == {"DB_PASSWORD": VALUE}
    assert client.delete(f"{SECRETS}/DB_PASSWORD").status_code == 204
    assert client.delete(f"{SECRETS}/DB_PASSWORD").json()["code"] == "secret.unknown"
    assert client.get(SECRETS).json() == []


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("lower", {"value": VALUE}, 400), ("DB_PASSWORD", {"value": VALUE, "extra": VALUE}, 400),
        ("DB_PASSWORD", {"value": [VALUE]}, 400), ("DB_PASSWORD", VALUE, 400), ("DB_PASSWORD", {"value": "short"}, 400),
    ],
)  # fmt: skip
def test_a_refusal_does_not_repeat_what_was_sent(client: TestClient, name: str, body: object, status: int) -> None:
    answer = client.put(f"{SECRETS}/{name}", json=body)
    assert answer.status_code == status and VALUE not in answer.text


def test_nothing_that_is_stored_or_answered_holds_a_secret(client: TestClient, platform: Platform) -> None:
    client.put(f"{SECRETS}/DB_PASSWORD", json={"value": VALUE})
    client.get("/api/v1/projects")
    stored_files = [path for path in Path(platform.home.root).rglob("*") if path.is_file() and path.name != "token"]
    for path in [*stored_files, *Path(platform.home.root).parent.glob("*.db*")]:
        assert VALUE.encode() not in path.read_bytes() and b"hook-s3cret" not in path.read_bytes(), path
    with platform.database.reading() as session:
        assert session.get_one(ProjectRow, "flights").webhook_secret.startswith("sealed:")  # type: ignore[union-attr]


def test_a_sealed_webhook_secret_still_proves_webhooks(client: TestClient) -> None:
    body = json.dumps({"zen": "x"}).encode()
    signature = "sha256=" + hmac.new(b"hook-s3cret", body, hashlib.sha256).hexdigest()
    headers = {"x-github-event": "ping", "x-github-delivery": "1", "x-hub-signature-256": signature}
    url = "/api/v1/webhooks/github/flights"
    assert client.post(url, content=body, headers=headers).status_code == 200
    forged = {**headers, "x-hub-signature-256": "sha256=" + "0" * 64}
    assert client.post(url, content=body, headers=forged).status_code in (401, 403)


def test_a_key_is_no_decision_of_whoever_holds_the_home_token(client: TestClient, platform: Platform) -> None:
    key = platform.keys.current(platform.vault.scope)
    for path, body in (("rotate", {}), (f"{key.id}/destroy", {"reason": "why not"})):
        answer = client.post(f"/api/v1/keys/{path}", json=body)
        assert answer.status_code == 403 and answer.json()["code"] == "auth.forbidden"
    assert platform.keys.find(key.id)


def test_keys_are_listed_without_themselves(client: TestClient, platform: Platform) -> None:
    client.put(f"{SECRETS}/DB_PASSWORD", json={"value": VALUE})
    answer = client.get("/api/v1/keys")
    key = platform.keys.current(platform.vault.scope)
    assert [(each["id"], each["state"], each["jurisdiction"]) for each in answer.json()] == [(key.id, "current", "ZZ")]
    assert key.secret.hex() not in answer.text and "wrapped" not in answer.json()[0]


def test_an_administrator_rotates_and_destroys(client: TestClient, platform: Platform) -> None:
    """By the handlers themselves: who may call them is the table of routes' matter."""
    from falaj.core.principal import Principal, PrincipalKind

    admin = Principal("user:admin", PrincipalKind.USER)
    digest = platform.store.put_bytes(b"about a person").digest
    old = platform.keys.current(platform.vault.scope)
    new_key = keys.rotate(keys.KeyScopeBody(), platform, admin)
    assert platform.keys.current(platform.vault.scope).id == new_key.id != old.id
    assert platform.store.read_bytes(digest) == b"about a person"
    destroyed = keys.destroy(old.id, RequiredReasonBody(reason="request 17"), platform, admin)
    assert (destroyed.key.state, destroyed.objects) == ("destroyed", 2)
    assert not platform.store.has(digest)
    assert [each["state"] for each in client.get("/api/v1/keys").json()] == ["destroyed", "current"]
    with platform.database.reading() as session:
        kinds = list(session.scalars(select(EventRow.kind).where(EventRow.subject == f"key/{old.id}")))
    assert kinds == ["key.retired", "key.destroyed"]
