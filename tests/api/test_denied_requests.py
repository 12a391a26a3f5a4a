from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.core.errors import UnavailableError
from falaj.trust import audit
from tests.api.people import acting_as, grant

pytestmark = pytest.mark.integration

RUN = {"project": "p", "commit": "1" * 40}


def denied(platform: Platform) -> list[tuple[str, str, object]]:
    """Who was refused what, as the audit log tells it."""
    with platform.database.reading() as session:
        denials = audit.entries(session, audit.EntryFilter(kind="access.denied"))
    assert all(entry.outcome == "denied" for entry in denials)
    return [(entry.actor, entry.subject, entry.details) for entry in denials]


def test_a_refused_attempt_is_written_down(client: TestClient, platform: Platform) -> None:
    grant(platform.database, "both", "admin")
    grant(platform.database, "both", "ml-engineer")
    assert acting_as(client.app, "both").post("/api/v1/runs", json=RUN).status_code == 403
    details = {"action": "run", "policies": ["sod-admin"], "method": "POST", "path": "/api/v1/runs"}
    assert denied(platform) == [("user:both", "tenant/default", details)]


def test_a_refusal_of_the_handler_is_written_down_too(client: TestClient, platform: Platform) -> None:
    grant(platform.database, "lina", "data-scientist", project="flights")
    assert acting_as(client.app, "lina").post("/api/v1/runs", json=RUN).status_code == 403
    assert [each[:2] for each in denied(platform)] == [("user:lina", "project/p")]


def test_what_is_permitted_or_carries_no_token_is_not(client: TestClient, platform: Platform) -> None:
    assert client.get("/api/v1/runs").status_code == 200
    assert client.get("/api/v1/runs", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert denied(platform) == []


def test_a_log_that_cannot_be_written_leaves_the_attempt_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(audit, "append", fail)
    answer = acting_as(client.app, "stranger").post("/api/v1/runs", json=RUN)
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
