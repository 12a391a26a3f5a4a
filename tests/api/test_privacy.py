"""Privacy over the API, on both databases: what an administrator does, and what everybody else is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.config.platform_spec import PlatformSpec
from falaj.control import compliance
from falaj.storage.settings_tables import SettingsRow
from falaj.trust import audit, settings
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.compliance.people import learned, released, snapshot

pytestmark = pytest.mark.integration

PRIVACY = "/api/v1/privacy"
DOCUMENT = "sha256:" + "d" * 64
LATER = 4e9


@pytest.fixture
def root(platform: Platform) -> TestClient:
    grant(platform.database, "root", "admin")
    return acting_as(app_of(platform), "root")


def turn_on(platform: Platform, **pack: Any) -> None:
    spec = PlatformSpec(
        PlatformSpec.default().environments, PlatformSpec.default().locations, policy_packs=("uae",),
        pack_settings={"uae": pack},
    )  # fmt: skip
    with platform.database.transaction() as session:
        row = SettingsRow(
            version=1, digest=settings.digest(spec), spec=spec.to_json(), text="", actor="user:root", at=1.0,
            differences=[], envelope={}, keys={},
        )  # fmt: skip
        session.add(row)


def test_a_record_is_made_listed_and_withdrawn(root: TestClient) -> None:
    request_body = {"kind": "bias-evaluation", "model": "churn", "document": DOCUMENT, "expires_at": LATER}
    response = root.post(f"{PRIVACY}/records", json=request_body)
    assert response.status_code == 201 and response.json()["made_by"] == "user:root"
    assert root.get(f"{PRIVACY}/records").json() == [response.json()]
    assert root.post(f"{PRIVACY}/records", json={**request_body, "model": ""}).json()["code"] == "privacy.record"
    path = f"{PRIVACY}/records/{response.json()['id']}/withdraw"
    assert root.post(path, json={"reason": "another one"}).status_code == 204
    assert root.get(f"{PRIVACY}/records").json() == []
    assert root.post(path, json={"reason": "again"}).json()["code"] == "privacy.state"
    assert root.post(f"{PRIVACY}/records/nothing/withdraw", json={"reason": "x"}).json()["code"] == "privacy.unknown"


def test_settings_of_the_pack_are_the_clocks(root: TestClient, platform: Platform) -> None:
    turn_on(platform, breach_notify_within=3600.0, subject_request_within=7200.0, bias_evaluation_every=60.0)
    now = platform.now()
    breach = root.post(f"{PRIVACY}/incidents", json={"title": "a lost laptop", "learned_at": now - 4000}).json()
    assert breach["overdue"] and breach["notify_by"] == pytest.approx(now - 400)
    incident_view = root.post(f"{PRIVACY}/incidents/{breach['id']}/notify", json={"whom": "UAE Data Office"}).json()
    assert incident_view["state"] == "notified" and incident_view["overdue"]
    closed = root.post(f"{PRIVACY}/incidents/{breach['id']}/close", json={"reason": "encrypted"}).json()
    assert closed["state"] == "closed" and root.get(f"{PRIVACY}/incidents").json() == [closed]
    subject_request = root.post(f"{PRIVACY}/requests", json={"kind": "access"}).json()
    assert subject_request["due_at"] - subject_request["received_at"] == 7200.0
    answered = root.post(f"{PRIVACY}/requests/{subject_request['id']}/close", json={"reason": "sent"}).json()
    assert answered["state"] == "closed" and answered["result"] == {"answer": "sent"}
    request_body = {"kind": "bias-evaluation", "model": "churn", "document": DOCUMENT, "expires_at": LATER}
    privacy_record = root.post(f"{PRIVACY}/records", json=request_body).json()
    assert privacy_record["counts_until"] == privacy_record["made_at"] + 60


def test_a_person_is_found_exported_and_erased(root: TestClient, platform: Platform, tmp_path: Path) -> None:
    customer_snapshot = snapshot(platform)
    learned(platform, customer_snapshot, now=1000.0)
    released(platform, customer_snapshot, tmp_path, 1000.0)
    request_id = root.post(f"{PRIVACY}/requests", json={"kind": "erasure"}).json()["id"]
    search_result = root.post(f"{PRIVACY}/subjects/find", json={"subject": "A-17"}).json()
    assert [each["name"] for each in search_result["releases"]] == ["churn@1"] and search_result["derived"] == 1
    rows = root.post(f"{PRIVACY}/subjects/export", json={"subject": "A-17"}).json()
    assert [each["row"]["city"] for each in rows] == ["Dubai", "Dubai"]
    erasure_result = root.post(
        f"{PRIVACY}/subjects/erase", json={"subject": "A-17", "reason": "asked", "request": request_id}
    ).json()
    assert (erasure_result["request"], erasure_result["objects"], erasure_result["flagged"]) == (
        request_id,
        4,
        ["churn@1"],
    )
    assert root.get(f"{PRIVACY}/requests").json()[0]["state"] == "closed"
    labels = root.get(f"{PRIVACY}/labels", params={"node": "release:churn@1"}).json()
    assert [(each["name"], each["regimes"]) for each in labels] == [("customers", ["pdpl"])]
    with platform.database.reading() as session:
        entries = audit.entries(session, audit.EntryFilter(limit=100))
    assert {each.kind for each in entries} >= {
        "subject-request.received", "subject.searched", "subject.exported", "subject-request.erasing",
        "release.flagged", "subject-request.closed",
    }  # fmt: skip
    assert all("A-17" not in str(each) for each in entries)


def test_what_could_not_be_searched_is_searched_again(root: TestClient, platform: Platform) -> None:
    good, bad = snapshot(platform), snapshot(platform, "city\nDubai\n")
    with platform.database.transaction() as session:
        compliance.keep_labels(session, "retail", [good, bad], 1000.0)
    answer = root.post(f"{PRIVACY}/index").json()
    assert answer["indexed"] == 1 and "no column" in answer["failed"]["churn/customers"]
    search_result = root.post(f"{PRIVACY}/subjects/find", json={"subject": "A-17"}).json()
    assert len(search_result["snapshots"]) == 1 and search_result["unsearched"] == ["churn/customers"]


def test_a_report_needs_its_pack(root: TestClient, platform: Platform) -> None:
    assert root.get("/api/v1/compliance/uae").json()["code"] == "privacy.pack-off"
    assert root.get(f"{PRIVACY}/processing").json()["code"] == "privacy.pack-off"
    assert root.get("/api/v1/compliance/gdpr").status_code == 400
    turn_on(platform)
    answer = root.get("/api/v1/compliance/uae").json()
    assert answer["pack"] == "uae" and len(answer["findings"]) == 14
    assert root.get(f"{PRIVACY}/processing").json() == []
