from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.supply_chain.attestations.merkle import leaf_hash, verify_consistency, verify_inclusion
from falaj.trust import audit
from tests.api.people import acting_as, grant

pytestmark = pytest.mark.integration

COMMIT = "1" * 40


@pytest.fixture
def project(client: TestClient) -> str:
    request_body = {"name": "flights", "repository": "https://ana:s3cret@example.org/flights.git", "vendor": "github"}
    assert client.post("/api/v1/projects", json=request_body).status_code == 201
    return "flights"


def logged(platform: Platform, **criteria: str) -> list[audit.Shown]:
    """What the log says, the oldest first."""
    with platform.database.reading() as session:
        return audit.entries(session, audit.EntryFilter(**criteria, limit=500))[::-1]  # type: ignore[arg-type]


def test_what_requests_change_is_logged_with_who_asked(client: TestClient, platform: Platform, project: str) -> None:
    grant(platform.database, "lina", "ml-engineer")
    grant(platform.database, "root", "admin")
    lina, root = acting_as(client.app, "lina"), acting_as(client.app, "root")
    pushed = {"project": project, "ref": "refs/heads/main", "after": COMMIT}
    run = client.post("/api/v1/triggers/push", json=pushed).json()["run_id"]
    assert not client.post("/api/v1/triggers/push", json=pushed).json()["created"]
    manual = lina.post("/api/v1/runs", json={"project": project, "commit": COMMIT}).json()["id"]
    assert lina.post(f"/api/v1/runs/{manual}/cancel").status_code == 200
    secret = f"/api/v1/projects/{project}/secrets/TOKEN"
    assert lina.put(secret, json={"value": "hush-hush"}).status_code == 200
    assert lina.delete(secret).status_code == 204
    key = root.post("/api/v1/keys/rotate", json={}).json()["id"]
    assert root.post("/api/v1/artifacts/collect").status_code == 200
    log_rows = [(each.kind, each.actor, each.subject) for each in logged(platform)]
    assert log_rows[:6] == [
        ("project.registered", "service:home", "project/flights"),
        ("run.queued", "service:home", f"run/{run}"),
        ("push.announced", "service:home", "project/flights"),
        ("run.queued", "user:lina", f"run/{manual}"),
        ("run.cancelled", "user:lina", f"run/{manual}"),
        ("secret.set", "user:lina", "project/flights/secret/TOKEN"),
    ]
    assert ("secret.removed", "user:lina", "project/flights/secret/TOKEN") in log_rows
    assert ("key.current", "user:root", f"key/{key}") in log_rows
    assert log_rows[-2:] == [(f"artifacts.{kind}", "user:root", "artifacts") for kind in ("collecting", "collected")]

    assert "s3cret" not in str(logged(platform))
    assert "hush-hush" not in str(logged(platform))


def test_entries_are_filtered_and_turned_page_by_page(client: TestClient, platform: Platform) -> None:
    with platform.database.transaction() as session:
        for number in range(7):
            actor = ("user:ana", "user:ben")[number % 2]
            audit.append(session, audit.AuditEntry(f"k{number % 3}.x", actor, f"thing/{number}"), 100.0 + number)

    def entry_numbers(**filters: object) -> list[int]:
        return [each["index"] for each in client.get("/api/v1/audit/entries", params=filters).json()]  # type: ignore[arg-type]

    assert entry_numbers(limit=3) == [6, 5, 4]
    assert entry_numbers(limit=3, sort="index") == [0, 1, 2]
    assert entry_numbers(kind="k1.") == [4, 1]
    assert entry_numbers(actor="user:ben", since=103) == [5, 3]
    assert entry_numbers(subject="thing/2") == [2]
    assert entry_numbers(actor="user:nobody") == []
    assert client.get("/api/v1/audit/entries", params={"limit": 0}).status_code == 400


def test_a_later_checkpoint_is_proved_to_continue_an_earlier_one(client: TestClient, platform: Platform) -> None:
    roots = {}
    for size in (3, 8):
        with platform.database.transaction() as session:
            audit.append(session, [audit.AuditEntry("a", "b", "c") for _ in range(size - audit.size_of(session))], 1.0)
            roots[size] = audit.root_at(session, size)
    answer = client.get("/api/v1/audit/consistency", params={"first": 3, "second": 8}).json()
    proof = [bytes.fromhex(each) for each in answer["proof"]]
    assert verify_consistency(3, 8, roots[3], roots[8], proof)
    assert client.get("/api/v1/audit/consistency", params={"first": 8, "second": 9}).json() == {"proof": []}


def test_an_entry_is_proved_to_stand_in_the_log(client: TestClient, platform: Platform) -> None:
    with platform.database.transaction() as session:
        audit.append(session, [audit.AuditEntry(f"k.{number}", "b", "c") for number in range(5)], 1.0)
        root = audit.root_at(session, 5)
    for index in range(5):
        answer = client.get(f"/api/v1/audit/entries/{index}", params={"size": 5}).json()
        proof = [bytes.fromhex(each) for each in answer["proof"]]
        assert answer["entry"]["kind"] == f"k.{index}"
        assert verify_inclusion(leaf_hash(answer["leaf"].encode()), index, 5, proof, root)
    for index, size in ((5, 5), (4, 6)):
        missing = client.get(f"/api/v1/audit/entries/{index}", params={"size": size})
        assert (missing.status_code, missing.json()["code"]) == (404, "audit.no-entry")


def test_an_administrator_erases_what_the_log_tells_and_that_is_logged(
    client: TestClient, platform: Platform, tmp_path: Path
) -> None:
    grant(platform.database, "root", "admin")
    with platform.database.transaction() as session:
        entries = [
            audit.AuditEntry("k.x", "user:ana", "x", {"n": 1}),
            audit.AuditEntry("k.y", "service:home", "y", {"n": 2}),
        ]
        audit.append(session, entries, 1.0)
    request_body = {"reason": "request 7", "person": "user:ana", "entries": [1]}
    assert client.post("/api/v1/audit/erase", json=request_body).status_code == 403
    root = acting_as(client.app, "root")
    assert root.post("/api/v1/audit/erase", json=request_body).json() == {"entries": 1, "forgotten": True}
    first, second, _denied, erased = logged(platform)
    assert (first.actor.split(":")[0], first.details, second.details) == ("person", None, None)
    assert (erased.kind, erased.actor) == ("audit.erased", "user:root")
    assert erased.details == {"reason": "request 7", "entries": [1], "forgotten": True}
    bad = {"reason": "x", "person": "service:home"}
    assert root.post("/api/v1/audit/erase", json=bad).status_code == 400
