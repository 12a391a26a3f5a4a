from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.integration

COMMIT = "1" * 40


@pytest.fixture
def project(client: TestClient) -> str:
    request_body = {"name": "flights", "repository": "/srv/flights.git", "vendor": "github", "webhook_secret": "s3cret"}
    assert client.post("/api/v1/projects", json=request_body).status_code == 201
    return "flights"


def push(client: TestClient, **changes: str) -> dict[str, Any]:
    announced = {"project": "flights", "ref": "refs/heads/main", "after": COMMIT} | changes
    answer: dict[str, Any] = client.post("/api/v1/triggers/push", json=announced).json()
    return answer


def test_a_commit_has_one_run_however_often_it_is_announced(client: TestClient, project: str) -> None:
    first, second = push(client), push(client)
    assert first["created"] and not second["created"]
    assert first["run_id"] == second["run_id"]
    assert [run["id"] for run in client.get("/api/v1/runs").json()] == [first["run_id"]]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"after": "0" * 40}, "was deleted"),
        ({"ref": "refs/heads/other"}, "not the branch"),
        ({"ref": "refs/tags/v1"}, "not"),
    ],
)
def test_what_is_not_a_new_commit_of_the_branch_starts_nothing(
    client: TestClient, project: str, changes: dict[str, str], reason: str
) -> None:
    answer = push(client, **changes)
    assert answer["run_id"] is None and reason in answer["reason"]
    assert client.get("/api/v1/runs").json() == []


def test_an_unknown_project_is_a_problem_document(client: TestClient) -> None:
    answer = client.post("/api/v1/triggers/push", json={"project": "x", "ref": "refs/heads/main", "after": COMMIT})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "project.unknown"


def test_a_wrong_field_is_named(client: TestClient) -> None:
    answer = client.post("/api/v1/projects", json={"name": "ok", "repository": "/r", "colour": "red"})
    assert answer.status_code == 400
    assert "colour" in answer.json()["title"]


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "-x", "a b", "x" * 101])
def test_a_name_that_could_be_a_path_is_refused(client: TestClient, name: str) -> None:
    assert client.post("/api/v1/projects", json={"name": name, "repository": "/r"}).status_code == 400


def test_the_secret_of_a_webhook_is_never_shown(client: TestClient, project: str) -> None:
    assert "s3cret" not in client.get("/api/v1/projects").text


def github(client: TestClient, secret: str, delivery: str) -> Any:
    body = json.dumps(
        {
            "ref": "refs/heads/main", "before": "0" * 40, "after": COMMIT, "deleted": False,
            "repository": {"clone_url": "https://github.com/o/flights.git"}, "pusher": {"name": "a"},
        }
    ).encode()  # fmt: skip
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-github-event": "push", "x-github-delivery": delivery, "x-hub-signature-256": signature}
    headers["content-type"] = "application/json"
    return client.post("/api/v1/webhooks/github/flights", content=body, headers=headers)


def test_a_signed_webhook_starts_a_run_and_its_replay_does_not(anonymous: TestClient, project: str) -> None:
    assert github(anonymous, "s3cret", "d-1").json()["created"] is True
    assert "received before" in github(anonymous, "s3cret", "d-1").json()["reason"]


def test_a_forged_webhook_is_refused(anonymous: TestClient, project: str) -> None:
    assert github(anonymous, "guess", "d-2").status_code in (401, 403)
