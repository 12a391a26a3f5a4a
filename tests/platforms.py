"""A real server on loopback with something in it, for tests of what speaks to it; import the fixture where needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.control import releases
from falaj.control.runs import queue
from falaj.core.home import Home
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.storage import ProjectRow, ReleaseRow, RunRow, StepRunRow
from falaj.storage.change_tables import ChangeRow
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import Digest
from tests.apps import app_of
from tests.databases import migrated_sqlite
from tests.servers import free_ports
from tests.waiting import until

COMMIT = "2c" * 20
PREDICTION = "0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a"


@dataclass(frozen=True)
class Served:
    """A server that answers, and what it holds: one project, one run, one release, one endpoint, one prediction.

    Attributes:
        platform: The server's parts, to look behind it.
        run_id: The run of `COMMIT`; it succeeded as release `flight-delay@1`.
        model: Digest of the release's model.
        log: Digest of what the step `fit` printed.
    """

    platform: Platform
    run_id: str
    model: Digest
    log: Digest

    @property
    def home(self) -> Home:
        """The installation, as a command on this machine finds it."""
        return self.platform.home


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a module."""
    folder = tmp_path_factory.mktemp("platform")
    home = Home(folder / "home", {}).prepare()
    database = migrated_sqlite(folder / "falaj.db")
    platform = Platform(home, database)
    with answering(platform):
        yield fill(platform, folder)
    database.close()


@contextmanager
def answering(platform: Platform) -> Iterator[None]:
    """Serve the API of a platform in a thread, at the port that its home names."""
    server_port, gateway_port = free_ports(2)
    platform.home.save_ports({"server": server_port, "gateway": gateway_port})
    app = app_of(platform)
    config = uvicorn.Config(app, host="127.0.0.1", port=server_port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    assert thread.is_alive(), "the server did not start"
    yield
    server.should_exit = True
    thread.join()


def fill(platform: Platform, folder: Path) -> Served:
    """Put in what a finished run leaves behind, by the ways that a run takes."""
    (folder / "model").mkdir()
    (folder / "model" / "MLmodel").write_text("flavors: {}\n")
    model, log = platform.store.put(folder / "model").digest, platform.store.put_bytes(b"fitting\ndone\n").digest
    run_id = _queue_run(platform, str(folder / "flights.git"))
    _finish_run(platform, run_id, log)
    _release(platform, run_id, model)
    _predict(platform)
    return Served(platform, run_id, model, log)


def _queue_run(platform: Platform, repository: str) -> str:
    order = queue.RunOrder("flights", COMMIT, trigger="push", ref="refs/heads/main")
    with platform.database.transaction() as session:
        session.add(ProjectRow(name="flights", repository=repository, branch="main", created_at=990.0))
        session.flush()
        return queue.enqueue(session, platform.processes, order, 991.0)[0].id


def _finish_run(platform: Platform, run_id: str, log: Digest) -> None:
    parts: list[tuple[str, str, str, dict[str, Any]]] = [
        ("fit", "step", "succeeded", {"log": log}),
        ("tests", "check", "passed", {"summary": "3 tests", "passed": True}),
        ("auc >= 0.6 on test", "gate", "passed", {"reason": "0.71", "passed": True}),
    ]
    with platform.database.transaction() as session:
        run = session.get_one(RunRow, run_id)
        run.state, run.model, run.started_at, run.ended_at = "succeeded", "flight-delay", 1000.0, 1012.5
        for position, (node, kind, state, detail) in enumerate(parts):
            session.add(
                StepRunRow(
                    run_id=run_id, node=node, kind=kind, state=state, position=position, detail=detail,
                    started_at=1000.0, ended_at=1001.0,
                )
            )  # fmt: skip
        queue.record(session, f"run/{run_id}", "step.started", {"node": "fit"}, 1000.0)
        queue.record(session, f"run/{run_id}", "step.finished", {"node": "fit"}, 1001.0)
        queue.record(session, f"run/{run_id}", "run.ended", {"state": "succeeded", "reason": ""}, 1012.5)


def _release(platform: Platform, run_id: str, model: Digest) -> None:
    signer = attestations.open_keyring(platform.home.keys).signer_for(attestations.TRAIN)
    train_statement = attestations.statement(attestations.TRAIN, [("flight-delay", model)], {"run": run_id})
    candidate = releases.Candidate(
        "flight-delay", model, [(attestations.TRAIN, attestations.sign_statement(train_statement, signer))],
        {
            "snapshots": {"flights": str(model)},
            "gates": [{"text": "auc >= 0.6 on test", "reason": "0.71"}],
            "checks": [{"name": "tests", "summary": "3 tests"}],
        },
        mlflow_run=None,
    )  # fmt: skip
    with platform.database.transaction() as session:
        release_row = releases.publish(session, session.get_one(RunRow, run_id), candidate, 1012.0)
        _change(platform, session, release_row)
        grant = releases.DeploymentPermit("change1", "change1")
        releases.deploy(session, platform.processes, release_row, ("dev", "local"), grant, 1013.0)
        place = {"model": release_row.model, "release": release_row.number, "environment": "dev", "location": "local"}
        releases.set_desired_release(session, {**place, "change": "change1"}, 1013.0)
        report = {"endpoint": "dev/flight-delay", "release": 1, "state": "ready", "replicas_ready": 2}
        url = f"http://127.0.0.1:{platform.home.ports()['gateway']}/dev/flight-delay"
        releases.observe(session, platform.processes, "local", [{**report, "url": url}], 1014.0)


def _change(platform: Platform, session: Session, release_row: ReleaseRow) -> None:
    """The change that brought the release to dev, as if it had been carried out."""
    session.add(
        ChangeRow(
            id="change1",
            tenant="default",
            project=release_row.project,
            model=release_row.model,
            release=release_row.number,
            digest=release_row.digest,
            environment="dev",
            rank=0,
            kind="standard",
            state="done",
            requester=releases.WORKER,
            reason="run succeeded",
            expires_at=9e9,
            data={"quorum": 0, "risk": "low"},
            created_at=1013.0,
            updated_at=1013.0,
        )
    )
    platform.processes.start(session, "change", "change1", "done", {}, 1013.0)


def _predict(platform: Platform) -> None:
    header = SegmentHeader("flight-delay@1", "dev/flight-delay", ("distance",), 0)
    folder = platform.home.location_dir("local") / "predictions" / "replica-1"
    writer = LogWriter(folder, header, time.time_ns)
    writer.append(encode_record(PREDICTION, 1_015_000_000_000, [(1400.0,)], {"label": [1]}))
    writer.close()
