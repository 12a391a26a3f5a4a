from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from falaj.control import releases
from falaj.control.releases.lifecycle import transition
from falaj.core.errors import NotFoundError, UsageError
from falaj.storage import Database, EndpointRow, OutboxRow, ProcessRow, ProjectRow, ReleaseRow, RunRow
from falaj.storage.durable import ProcessEvent, ProcessTable

pytestmark = pytest.mark.integration

ENDPOINT, GRANT = ("dev", "local"), releases.DeploymentPermit("c1", "c2")
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def table(database: Database) -> ProcessTable:
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=1.0))
        session.flush()
        for name in ("r1", "r2"):
            session.add(
                RunRow(
                    id=name, project="p", commit="c" * 40, trigger="push", params={}, state="running", created_at=1.0
                )
            )
    return ProcessTable(database, {"deployment": transition})


def candidate(**data: Any) -> releases.Candidate:
    return releases.Candidate("m", DIGEST, [("type", {"payload": "x"})], data, mlflow_run="ml1")


def publish(database: Database, run_id: str) -> ReleaseRow:
    with database.transaction() as session:
        return releases.publish(session, session.get_one(RunRow, run_id), candidate(), now=2.0)


def live_at(database: Database, table: ProcessTable, number: int, now: float) -> None:
    with database.transaction() as session:
        deployment = releases.deploy(session, table, releases.find(session, f"m@{number}"), ENDPOINT, GRANT, now)
    lease = table.claim("deployment", "c", 10, now)
    assert lease is not None and lease.process_id == deployment
    with database.transaction() as session:
        releases.set_desired_release(session, lease.data, now)
        table.advance(session, lease, ProcessEvent("start"), now)
    report = {"endpoint": "dev/m", "release": number, "state": "ready", "replicas_ready": 1, "url": "http://x"}
    with database.transaction() as session:
        releases.observe(session, table, "local", [report], now + 1)


def test_releases_of_a_model_are_numbered_in_order(database: Database, table: ProcessTable) -> None:
    assert [publish(database, "r1").number, publish(database, "r2").number] == [1, 2]
    with database.reading() as session:
        assert releases.find(session, "m").number == 2
        assert releases.find(session, "m@1").run_id == "r1"
        assert [row.envelope for row in releases.evidence_of(session, releases.find(session, "m@1"))] == [
            {"payload": "x"}
        ]
        assert {row.key for row in session.scalars(select(OutboxRow))} == {"mlflow-register/m/1", "mlflow-register/m/2"}


def test_a_name_of_no_release_is_a_clear_error(database: Database, table: ProcessTable) -> None:
    with database.reading() as session:
        with pytest.raises(NotFoundError, match="no release 'm@7'"):
            releases.find(session, "m@7")
        with pytest.raises(UsageError, match="not MODEL@NUMBER"):
            releases.find(session, "m@one")


def test_a_deployment_becomes_live_when_the_agent_says_so(database: Database, table: ProcessTable) -> None:
    publish(database, "r1")
    live_at(database, table, 1, now=10.0)
    with database.reading() as session:
        assert session.scalar(select(ProcessRow.state)) == "live"
        assert releases.live(session, "m") is not None
        assert session.scalar(select(OutboxRow.key).where(OutboxRow.effect == "mlflow-alias"))


def test_the_next_deployment_supersedes_the_last_and_remembers_it(database: Database, table: ProcessTable) -> None:
    publish(database, "r1"), publish(database, "r2")
    live_at(database, table, 1, now=10.0)
    live_at(database, table, 2, now=20.0)
    with database.reading() as session:
        row = session.get_one(EndpointRow, ("local", "dev", "m"))
        assert (row.release, row.previous, row.version) == (2, 1, 2)
        assert sorted(session.scalars(select(ProcessRow.state))) == ["live", "superseded"]


def test_a_report_about_an_unknown_endpoint_is_ignored(database: Database, table: ProcessTable) -> None:
    with database.transaction() as session:
        releases.observe(session, table, "local", [{"endpoint": "dev/x", "release": 1, "state": "ready"}], 5.0)
        assert session.scalars(select(EndpointRow)).all() == []


def test_a_failed_report_ends_the_deployment_with_its_reason(database: Database, table: ProcessTable) -> None:
    publish(database, "r1")
    with database.transaction() as session:
        releases.deploy(session, table, releases.find(session, "m@1"), ENDPOINT, GRANT, 10.0)
    lease = table.claim("deployment", "c", 10, 10.0)
    assert lease is not None
    with database.transaction() as session:
        releases.set_desired_release(session, lease.data, 10.0)
        table.advance(session, lease, ProcessEvent("start"), 10.0)
        report = {"endpoint": "dev/m", "release": 1, "state": "failed", "message": "digest differs"}
        assert releases.observe(session, table, "local", [report], 11.0) == ["c2"]
    with database.reading() as session:
        row = session.get_one(ProcessRow, lease.process_id)
        assert (row.state, row.data["message"]) == ("failed", "digest differs")
        assert releases.live(session, "m") is None
