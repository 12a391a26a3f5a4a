"""Somebody of one project reaches for the model, the repository or the data of another: each way is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.control import releases
from falaj.control.releases.owners import ForeignModelError, owner_of, refusal
from falaj.control.runs.checkout import checked_out
from falaj.control.runs.contract import RunSpec
from falaj.core.home import Home
from falaj.integrations.git import GitInputError, create_remote
from falaj.storage import EndpointRow, ProjectRow, ReleaseRow, RunRow
from tests.api.people import acting_as, grant, person
from tests.apps import app_of
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration

COMMIT = "1" * 40


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(Home(tmp_path / "home", {}).prepare(), migrated_sqlite(tmp_path / "falaj.db"))


@pytest.fixture
def app(platform: Platform) -> FastAPI:
    return app_of(platform)


@pytest.fixture
def lina(app: FastAPI, platform: Platform) -> TestClient:
    """A data scientist of the project `loans` alone."""
    grant(platform.database, "lina", "data-scientist", project="loans")
    return acting_as(app, "lina")


def publish(platform: Platform, project: str, model: str, run_id: str) -> None:
    """What the end of a run of a project does."""
    with platform.database.transaction() as session:
        if session.get(ProjectRow, project) is None:
            session.add(ProjectRow(name=project, repository="r", branch="main", created_at=0.0))
            session.flush()
        run = RunRow(
            id=run_id, project=project, commit=COMMIT, trigger="push", params={}, state="running", created_at=0.0
        )
        session.add(run)
        session.flush()
        candidate = releases.Candidate(model, "sha256:" + "0" * 64, (), {"retrain": [{"on": "drift"}]}, None)
        releases.publish(session, run, candidate, 1.0)


def test_another_project_cannot_publish_a_release_of_the_model(platform: Platform) -> None:
    publish(platform, "flights", "delay", "run1")
    with pytest.raises(ForeignModelError):
        publish(platform, "loans", "delay", "run2")
    with platform.database.reading() as session:
        assert session.query(ReleaseRow).count() == 1
        assert refusal(session, "delay", "loans") and not refusal(session, "delay", "flights")
        assert not refusal(session, "unheard-of", "loans"), "the first that publishes owns it"


def _forged_release(platform: Platform) -> None:
    """The newest release says that it is of `loans`, as one did that got in before there were owners."""
    with platform.database.transaction() as session:
        session.add(
            ReleaseRow(
                model="delay", number=2, project="loans", run_id="run2", commit=COMMIT, digest="sha256:aa",
                state="candidate", data={"retrain": [{"on": "drift"}]}, created_at=2.0,
            )
        )  # fmt: skip
        session.add(
            EndpointRow(
                location="local", environment="prod", model="delay", release=1, version=1, plan={}, status={},
                updated_at=1.0,
            )
        )  # fmt: skip


REQUESTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/predictions/exports", {"endpoint": "prod/delay", "location": "local", "since": 0, "until": 1e10}),
    ("GET", "/models/delay/drift?environment=prod", None),
    ("GET", "/models/delay/performance?environment=prod", None),
    ("POST", "/models/delay/trainings", {"reason": "x"}),
    ("POST", "/models/delay/trainings/resume", None),
    ("GET", "/releases/delay@2", None),
    ("POST", "/changes", {"release": "delay@2", "environment": "dev", "reason": "x"}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[path for _, path, _ in REQUESTS])
def test_the_owner_decides_and_not_the_newest_release(
    lina: TestClient, platform: Platform, method: str, path: str, body: dict[str, Any] | None
) -> None:
    publish(platform, "flights", "delay", "run1")
    _forged_release(platform)
    answer = lina.request(method, f"/api/v1{path}", json=body)
    assert answer.status_code in (403, 404), answer.text


def test_lists_do_not_show_the_model_to_another_project(lina: TestClient, platform: Platform) -> None:
    publish(platform, "flights", "delay", "run1")
    _forged_release(platform)
    for path in ("releases", "endpoints", "triggers", "monitors"):
        assert lina.get(f"/api/v1/{path}").json() == [], path


def test_only_an_administrator_who_just_proved_it_moves_a_model(
    app: FastAPI, platform: Platform, lina: TestClient
) -> None:
    publish(platform, "flights", "delay", "run1")
    publish(platform, "loans", "credit", "run2")
    grant(platform.database, "root", "admin")
    owner_request = {"project": "loans", "reason": "the team has moved"}
    assert lina.put("/api/v1/models/delay/owner", json=owner_request).status_code == 403
    stale = acting_as(app, person("root", step_up_at=time.time() - 3600, step_up_method="totp"))
    assert stale.put("/api/v1/models/delay/owner", json=owner_request).status_code in (401, 403)
    fresh = acting_as(app, person("root", step_up_at=time.time(), step_up_method="totp"))
    assert fresh.put("/api/v1/models/delay/owner", json=owner_request).json() == {"model": "delay", "project": "loans"}
    with platform.database.reading() as session:
        assert owner_of(session, "delay") == "loans"
    assert lina.get("/api/v1/releases/delay@1").status_code == 200


def test_a_project_cannot_build_another_projects_repository(lina: TestClient, platform: Platform) -> None:
    honest = create_remote(platform.home, "honest")
    for named in (str(honest), f"file://{honest}", f"{honest.parent}/../repos/honest.git", str(platform.home.keys)):
        answer = lina.post("/api/v1/projects", json={"name": "loans", "repository": named})
        assert (answer.status_code, answer.json()["code"]) == (400, "git.foreign-repository"), answer.text
    link = platform.home.root.parent / "link.git"
    link.symlink_to(honest)
    answer = lina.post("/api/v1/projects", json={"name": "loans", "repository": str(link)})
    assert answer.json()["code"] == "git.foreign-repository"


@pytest.mark.parametrize(
    "named",
    ["http://169.254.169.254/latest", "https://2852039166/x.git", "http://[fe80::1]/x.git", "git@10.0.0.1:x.git",
     "https://100.100.100.200/x.git"],
)  # fmt: skip
def test_a_repository_at_an_inner_address_is_refused_when_it_is_named(lina: TestClient, named: str) -> None:
    answer = lina.post("/api/v1/projects", json={"name": "loans", "repository": named})
    assert (answer.status_code, answer.json()["code"]) == (400, "egress.address"), answer.text


def test_folders_of_the_machine_are_for_who_administers_it(
    app: FastAPI, lina: TestClient, platform: Platform, tmp_path: Path
) -> None:
    for named in (str(tmp_path), "file:///etc"):
        answer = lina.post("/api/v1/projects", json={"name": "loans", "repository": named})
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden"), answer.text
    own = create_remote(platform.home, "loans")
    assert lina.post("/api/v1/projects", json={"name": "loans", "repository": str(own)}).status_code == 201
    at_home = TestClient(app, headers={"authorization": f"Bearer {platform.home.token}"})
    project_request = {"name": "local", "repository": str(tmp_path)}
    assert at_home.post("/api/v1/projects", json=project_request).status_code == 201


def test_a_run_does_not_read_a_repository_that_was_registered_another_way(platform: Platform) -> None:
    honest = create_remote(platform.home, "honest")
    order = RunSpec("run1", str(honest), "", COMMIT, "", {}, "manual", project="loans")
    with pytest.raises(GitInputError, match="another project"), checked_out(order, platform.home):
        pass
