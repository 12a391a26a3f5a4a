from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

import falaj.governance
from falaj.errors import UnavailableError
from falaj.server.platform import Platform
from tests.server.people import acting_as, grant

RUN = {"project": "p", "commit": "1" * 40}


@dataclass(frozen=True)
class Entry:
    kind: str
    actor: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = "done"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """What reaches the audit log."""
    entries: list[Entry] = []
    log = SimpleNamespace(Entry=Entry, append=lambda _session, entry, _now: entries.append(entry))
    monkeypatch.setattr(falaj.governance, "audit", log, raising=False)
    return entries


def test_a_refused_attempt_is_written_down(client: TestClient, platform: Platform, written: list[Entry]) -> None:
    grant(platform.database, "both", "admin")
    grant(platform.database, "both", "ml-engineer")
    assert acting_as(client.app, "both").post("/api/v1/runs", json=RUN).status_code == 403
    details = {"action": "run", "policies": ["sod-admin"], "method": "POST", "path": "/api/v1/runs"}
    assert written == [Entry("access.denied", "user:both", "tenant/default", details, "denied")]


def test_a_refusal_of_the_handler_is_written_down_too(
    client: TestClient, platform: Platform, written: list[Entry]
) -> None:
    grant(platform.database, "lina", "data-scientist", project="flights")
    assert acting_as(client.app, "lina").post("/api/v1/runs", json=RUN).status_code == 403
    assert [(entry.actor, entry.subject, entry.outcome) for entry in written] == [("user:lina", "project/p", "denied")]


def test_what_is_permitted_or_carries_no_token_is_not(client: TestClient, written: list[Entry]) -> None:
    assert client.get("/api/v1/runs").status_code == 200
    assert client.get("/api/v1/runs", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert written == []


def test_a_log_that_cannot_be_written_leaves_the_attempt_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("the disk is full")

    log = SimpleNamespace(Entry=Entry, append=fail)
    monkeypatch.setattr(falaj.governance, "audit", log, raising=False)
    answer = acting_as(client.app, "stranger").post("/api/v1/runs", json=RUN)
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
