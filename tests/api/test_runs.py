from __future__ import annotations

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.api.routers.runs import error_line
from falaj.build.pipeline.node_files import step_log
from falaj.storage import StepRunRow
from falaj.storage.durable import ProcessEvent

pytestmark = pytest.mark.integration


@pytest.fixture
def run_id(client: TestClient) -> str:
    client.post("/api/v1/projects", json={"name": "p", "repository": "/r"})
    request_body = {"project": "p", "commit": "2" * 40, "params": {"fit": {"rate": 0.1}}}
    new_id: str = client.post("/api/v1/runs", json=request_body).json()["id"]
    return new_id


def test_a_run_is_found_by_the_beginning_of_its_id_and_as_the_last(client: TestClient, run_id: str) -> None:
    for name in (run_id, run_id[:9], "last"):
        assert client.get(f"/api/v1/runs/{name}").json()["id"] == run_id


def test_an_unknown_run_says_what_to_do(client: TestClient, run_id: str) -> None:
    answer = client.get("/api/v1/runs/zzz")
    assert (answer.status_code, answer.json()["code"]) == (404, "run.unknown")
    assert "falaj run list" in answer.json()["hint"]


def test_manual_runs_of_a_commit_are_as_many_as_asked_for(client: TestClient, run_id: str) -> None:
    client.post("/api/v1/runs", json={"project": "p", "commit": "2" * 40})
    assert len(client.get("/api/v1/runs").json()) == 2


def test_cancelling_a_queued_run_leaves_it_to_the_worker_to_end(
    client: TestClient, run_id: str, platform: Platform
) -> None:
    assert client.post(f"/api/v1/runs/{run_id}/cancel").json()["state"] == "cancelling"
    lease = platform.processes.claim("run", "w", 10, platform.now())
    assert lease is not None and lease.state == "cancelling"
    with platform.database.transaction() as session:
        finished = ProcessEvent("finished", {"outcome": "succeeded"})
        assert platform.processes.advance(session, lease, finished, platform.now()).state == "cancelled"


def test_the_log_of_an_ended_step_comes_from_its_artifact(client: TestClient, run_id: str, platform: Platform) -> None:
    digest = platform.store.put_bytes(b"hello\n").digest
    with platform.database.transaction() as session:
        session.add(
            StepRunRow(run_id=run_id, node="fit", kind="step", state="succeeded", position=0, detail={"log": digest})
        )
    assert client.get(f"/api/v1/runs/{run_id}/logs/fit").text == "hello\n"
    assert client.get(f"/api/v1/runs/{run_id}/logs/other").status_code == 404


@pytest.mark.parametrize("node", ["fit", "refit.fit", "fit[rate=0.1]", "check:x"])
def test_the_log_of_a_running_step_comes_from_the_folder_of_its_run(
    client: TestClient, run_id: str, platform: Platform, node: str
) -> None:
    log = step_log(platform.home.run_dir(run_id), node)
    log.parent.mkdir(parents=True)
    log.write_text("epoch 1\n")
    with platform.database.transaction() as session:
        session.add(StepRunRow(run_id=run_id, node=node, kind="step", state="running", position=0, detail={}))
    assert client.get(f"/api/v1/runs/{run_id}/logs/{quote(node)}").text == "epoch 1\n"


def test_lines_of_a_log_are_answered_by_their_numbers(client: TestClient, run_id: str, platform: Platform) -> None:
    digest = platform.store.put_bytes(b"one\ntwo\x0bstill two\n\nfour").digest
    with platform.database.transaction() as session:
        session.add(
            StepRunRow(run_id=run_id, node="fit", kind="step", state="succeeded", position=0, detail={"log": digest})
        )

    def lines(**query: int) -> str:
        answer = client.get(f"/api/v1/runs/{run_id}/logs/fit", params=query)
        assert (answer.headers["x-log-lines"], answer.headers["x-log-error"]) == ("4", "0")
        return answer.text

    assert lines(first=2, lines=1) == "two\x0bstill two\n"
    assert lines(first=3) == "\nfour"
    assert (lines(first=5), lines(lines=0)) == ("", "")
    assert client.get(f"/api/v1/runs/{run_id}/logs/fit", params={"first": 0}).status_code == 400


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("fine\n", 0),
        ("", 0),
        ("a\nTraceback (most recent call last):\n  File\nValueError: no\n", 4),
        ("a\nsklearn.exceptions.NotFittedError: fit first\n", 2),
        (">       assert 1 == 2\nE       assert 1 == 2\n", 2),
        ("12:00:01 INFO errors: 0\n12:00:02 [ERROR] disk is full\n", 2),
        ("\x1b[31merror:\x1b[0m cannot\n", 1),
        ("the ErrorBudget is fine\nValueErrors were 0\n", 0),
    ],
)
def test_the_line_that_says_what_went_wrong(text: str, number: int) -> None:
    assert error_line(text) == number


def test_events_are_streamed_in_order_and_resume(client: TestClient, run_id: str) -> None:
    last = client.get("/api/v1/events/last").json()
    assert last >= 1


def test_garbage_collection_keeps_what_a_step_reaches(client: TestClient, run_id: str, platform: Platform) -> None:
    log_digest = platform.store.put_bytes(b"kept").digest
    lost = platform.store.put_bytes(b"lost").digest
    with platform.database.transaction() as session:
        session.add(
            StepRunRow(run_id=run_id, node="a", kind="step", state="succeeded", position=0, detail={"log": log_digest})
        )
    removed = client.post("/api/v1/artifacts/collect", params={"grace_s": 0}).json()
    assert removed["blobs"] == 1
    assert platform.store.has(log_digest) and not platform.store.has(lost)


@pytest.mark.parametrize("commit", ["--upload-pack=x", "x" * 40, "HEAD", "2" * 39, "٢" * 40, ""], ids=ascii)
def test_a_commit_that_is_none_is_not_queued(client: TestClient, commit: str) -> None:
    client.post("/api/v1/projects", json={"name": "p", "repository": "/r"})
    answer = client.post("/api/v1/runs", json={"project": "p", "commit": commit})
    assert (answer.status_code, answer.json()["code"]) == (400, "git.commit")
    announced = {"project": "p", "ref": "refs/heads/main", "after": commit}
    assert client.post("/api/v1/triggers/push", json=announced).status_code == 400
    assert client.get("/api/v1/runs").json() == []
