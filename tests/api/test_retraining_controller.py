"""Trainings over the API: asked for by people, told of by other systems, and shown."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.api.retraining_controller import TrainingWatch
from falaj.api.routers.trainings import EventRefusedError, told_events
from falaj.storage import Database, ProjectRow, RunRow
from tests.control.retraining.projects import release
from tests.owners import own

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),  # `request_training` is tried on both
    pytest.mark.integration,
]
SECRET = "s3cret"
URL = "s3://lake/sales"
WISHES = (
    {"on": "drift", "budget": {"runs_a_week": 2}},
    {"on": "event", "source": "sales"},
    {"on": "schedule", "cron": "0 3 1 * *"},
)


@pytest.fixture
def project(client: TestClient, platform: Platform) -> str:
    request_body = {"name": "p", "repository": "/srv/p.git", "webhook_secret": SECRET}
    assert client.post("/api/v1/projects", json=request_body).status_code == 201
    with platform.database.transaction() as session:
        session.get_one(ProjectRow, "p").last_commit = "b" * 40
        own(session, "m", "p")
        session.add(
            release(1, *WISHES, release_time=platform.now(), sources={"sales": URL, "weather": "package://w/w.csv"})
        )
    return "p"


def retrain(client: TestClient, **more: Any) -> Any:
    return client.post("/api/v1/models/m/trainings", json={"reason": "new features", **more})


def tell(client: TestClient, body: Any, *, secret: str = SECRET, project: str = "p", **headers: str) -> Any:
    content = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    event_headers = headers or {"x-hub-signature-256": signature}
    return client.post(
        f"/api/v1/projects/{project}/events", content=content, headers={"authorization": "", **event_headers}
    )


def end_runs(platform: Platform, state: str) -> None:
    with platform.database.transaction() as session:
        for run in session.query(RunRow):
            run.state, run.ended_at = state, platform.now()
    TrainingWatch(platform).turn(platform.now())


def test_a_person_asks_for_a_training_and_sees_it(client: TestClient, project: str) -> None:
    training_request = retrain(client, window="sliding 90d").json()
    assert (training_request["state"], training_request["reason"]) == ("started", "new features")
    assert set(training_request["window"]["parameters"]) == {"train_from", "train_until", "backtest_until"}
    run = client.get(f"/api/v1/runs/{training_request['run']}").json()
    assert (run["trigger"], run["commit"], run["state"]) == ("manual", "b" * 40, "queued")
    assert retrain(client).json()["state"] == "waiting"
    (model_triggers,) = client.get("/api/v1/triggers").json()
    assert [each["on"] for each in model_triggers["triggers"]] == ["drift", "event", "schedule", "manual"]
    assert {each["would"] for each in model_triggers["triggers"]} == {"wait"}
    assert (model_triggers["runs_in_week"], model_triggers["runs_a_week"]) == (1, 2)
    assert [each["state"] for each in model_triggers["requests"]] == ["waiting", "started"]


@pytest.mark.parametrize(
    ("path", "request_body", "status", "code"),
    [
        ("models/x/trainings", {"reason": "r"}, 404, "retraining.model"),
        ("models/x/trainings/resume", None, 404, "retraining.model"),
        ("models/m/trainings", {"reason": ""}, 400, None),
        ("models/m/trainings", {"reason": "r", "window": "sliding 1d"}, 400, "retraining.window"),
        ("models/m/trainings", {"reason": "r", "window": "moon"}, 400, "retraining.window"),
    ],
)
def test_what_cannot_be_asked_for(
    client: TestClient, project: str, path: str, request_body: Any, status: int, code: str | None
) -> None:
    answer = client.post(f"/api/v1/{path}", json=request_body)
    assert answer.status_code == status
    assert code in (None, answer.json()["code"])
    assert client.get("/api/v1/triggers", params={"model": "x"}).status_code == 404


def test_trainings_that_failed_are_resumed_by_a_person(client: TestClient, platform: Platform, project: str) -> None:
    for _ in range(2):
        retrain(client, beyond_budget=True)
        end_runs(platform, "failed")
    retrain(client, beyond_budget=True)
    end_runs(platform, "failed")
    would = {each["on"]: each["would"] for each in client.get("/api/v1/triggers").json()[0]["triggers"]}
    assert would["drift"] == "refuse"
    model_triggers = client.post("/api/v1/models/m/trainings/resume").json()
    assert {each["on"]: each["would"] for each in model_triggers["triggers"]}["schedule"] != "refuse"
    assert model_triggers["resumed_at"]


S3 = {"Records": [{"s3": {"bucket": {"name": "lake"}, "object": {"key": "sales/day+1.parquet"}}}]}
CLOUD = {"specversion": "1.0", "id": "e1", "type": "x", "source": "/lake", "data": {"source": "sales", "reason": "may"}}


@pytest.mark.parametrize("body", [{"source": "sales", "id": "1"}, {"source": "sales"}, S3, CLOUD])
def test_an_event_that_is_signed_starts_one_run_however_often_it_is_told(
    client: TestClient, project: str, body: Any
) -> None:
    first, second = tell(client, body).json(), tell(client, body).json()
    assert [each["state"] for each in first["requests"]] == ["started"]
    assert first == second
    assert [run["trigger"] for run in client.get("/api/v1/runs").json()] == ["event"]


def test_an_event_may_carry_the_secret_itself(client: TestClient, project: str) -> None:
    assert tell(client, S3, authorization=f"Bearer {SECRET}").status_code == 200


@pytest.mark.parametrize(
    "more", [{"secret": "wrong"}, {"secret": ""}, {"project": "other"}, {"project": "other", "secret": ""}]
)
def test_an_event_that_is_not_signed_is_refused(client: TestClient, project: str, more: Any) -> None:
    answer = tell(client, {"source": "sales"}, **more)
    assert (answer.status_code, answer.json()["code"]) == (403, "trainings.event-refused")


@pytest.mark.parametrize("body", [[], {}, {"source": 3}, {"Records": 3}, "x"])
def test_what_tells_of_no_event_is_refused(database: Database, body: Any) -> None:
    with pytest.raises(EventRefusedError):
        told_events(json.dumps(body).encode())


def test_odd_events_are_read_without_harm(database: Database) -> None:
    assert told_events(b'{"Records": [3, {}, {"s3": {"bucket": 1}}]}') == []
    (event,) = told_events(json.dumps({"source": "s" * 500, "id": "\n" * 999, "reason": "r" * 9999}).encode())
    assert (len(event["source"]), len(event["id"]), len(event["reason"])) == (63, 32, 500)
    with pytest.raises(EventRefusedError):
        told_events(b"[" * 100_000)


def test_a_storm_of_events_is_one_run(client: TestClient, project: str) -> None:
    states = [tell(client, {"source": "sales", "id": str(index)}).json()["requests"][0]["state"] for index in range(20)]
    assert states == ["started"] + ["waiting"] * 19
    assert len(client.get("/api/v1/runs").json()) == 1
