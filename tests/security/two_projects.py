"""Two projects in one installation: `flights`, with one of everything that belongs to a project, and `others`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from falaj.control.releases import callers
from falaj.control.runs import queue
from falaj.control.runs.lineage import edges_of_release
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.statistics.rollout import plan_of
from falaj.storage import Database, ProcessRow, ProjectRow, ReleaseRow, RunRow, StepRunRow
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow, MonitorRow, MonitorWindowRow
from falaj.storage.privacy_tables import LabelledSnapshotRow
from falaj.storage.regression_gate_tables import RegressionGateRow
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow
from falaj.supply_chain.attestations import envelope_digest
from falaj.trust import lineage
from falaj.trust.identity import NewToken, tokens
from falaj.trust.lineage import Edge, Node
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.releases.scene import MODEL, START, Scene, open_scene

THEIRS, MINE = "flights", "others"
RUN, ALERT, GATE, ROLLOUT, TRAINING = "run1", "0bravo1alert", "0bravo2gate", "0bravo3rollout", "0bravo4training"
PREDICTION = "0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a"
TABLE, INPUT = f"sha256:{'7a' * 32}", f"sha256:{'7b' * 32}"
LOG_TEXT, CALLER, SECRET, NOTE = "bravo-fitted", "bravo-caller", "BRAVO_PASSWORD", "bravo-note"
PROJECT_ROLES = ("data-scientist", "ml-engineer", "release-manager", "auditor")
_CHANGE_ENVIRONMENT = "pre-prod"


@dataclass(frozen=True)
class TwoProjects:
    """The installation, and what of `flights` can be named.

    Attributes:
        scene: People and the platform.
        ids: Name of a parameter to what stands there for `flights`.
        markers: Texts that only `flights` has; none of them may be read by who has no role there.
    """

    scene: Scene
    ids: dict[str, str]
    markers: tuple[str, ...]


def two_projects(folder: Path, database: Database) -> TwoProjects:
    """Make both, by the ways that runs, people and agents take where those are short."""
    scene = open_scene(folder, database)
    _people(scene)
    first, second = scene.release(), scene.release()
    scene.to_dev(first)
    current = scene.to_dev(second)
    log = scene.platform.store.put_bytes(LOG_TEXT.encode()).digest
    with database.transaction() as session:
        _runs(scene, session, log)
        _monitoring(session, second)
        _trainings(session, second)
        _rollout(session, current.id)
        _lineage(session, first)
        caller = callers.add(
            session, callers.NewCaller("dev", MODEL, CALLER, callers.TOKEN, START + 9e6), "user:bea", START
        )
        caller_id = caller.id
    _predict(scene)
    token, key = _credentials(scene)
    bea = acting_as(app_of(scene.platform), scene.fresh(_principal(scene, "bea")))
    answer = bea.put(f"/api/v1/projects/{THEIRS}/secrets/{SECRET}", json={"value": "long enough"})
    assert answer.status_code == 200, answer.text
    promotion = {"release": f"{MODEL}@2", "environment": "test", "reason": "bravo-reason"}
    change = bea.post("/api/v1/changes", json=promotion).json()
    scored = {"release": MODEL, "environment": "dev", "location": "local", "input": INPUT, "filename": "f.csv"}
    scoring = bea.post("/api/v1/scorings", json=scored).json()
    ids = {
        "project": THEIRS, "model": MODEL, "release": f"{MODEL}@2", "run": RUN, "change": change["id"], "alert": ALERT,
        "gate": GATE, "rollout": ROLLOUT, "prediction": PREDICTION, "digest": second.digest, "caller": CALLER,
        "scoring": scoring["scoring"], "token": token, "key": key, "secret": SECRET, "training": TRAINING,
    }  # fmt: skip
    markers = (
        THEIRS, MODEL, RUN, *ids.values(), first.digest, current.id, caller_id, str(log), LOG_TEXT, NOTE, TABLE, INPUT,
        "amal@example.org", "user:bea", "bea@example.org", "bravo-reason", "bravo-metric", "bravo-cause",
    )  # fmt: skip
    return TwoProjects(scene, ids, tuple(dict.fromkeys(markers)))


def _people(scene: Scene) -> None:
    """`bea` works in flights, `yara` in others with every role that a project gives, `adam` as its administrator."""
    for name in ("bea", "yara", "adam"):
        scene.person(name)
    scene.person("noor", "auditor")
    for role in PROJECT_ROLES:
        grant(scene.platform.database, "bea", role, project=THEIRS)
        grant(scene.platform.database, "yara", role, project=MINE)
    grant(scene.platform.database, "adam", "admin", project=MINE)


def _principal(scene: Scene, name: str) -> Any:
    from falaj.trust.identity import accounts

    with scene.platform.database.reading() as session:
        return accounts.principal_of(accounts.find(session, f"user:{name}"), authenticated_at=scene.now)


def _runs(scene: Scene, session: Session, log: str) -> None:
    detail = {"log": str(log), "values": {"bravo-metric": 0.7}}
    for position, (node, kind) in enumerate([("prepare", "step"), ("fit", "step"), ("auc >= 0.6", "gate")]):
        session.add(
            StepRunRow(run_id=RUN, node=node, kind=kind, state="succeeded", position=position, detail=detail,
                       started_at=START, ended_at=START + 1)
        )  # fmt: skip
    run = session.get_one(RunRow, RUN)
    run.model, run.started_at, run.ended_at = MODEL, START, START + 2
    queue.record(session, f"run/{RUN}", "run.ended", {"state": "succeeded"}, START + 2)
    session.add(ProjectRow(name=MINE, repository="/o", branch="main", created_at=START))
    session.flush()
    queue.enqueue(session, scene.platform.processes, queue.RunOrder(MINE, "9" * 40, trigger="push"), START)


def _monitoring(session: Session, release: ReleaseRow) -> None:
    place = {"location": "local", "environment": "dev", "model": MODEL, "release": release.number}
    session.add(
        AlertRow(
            id=ALERT, project=THEIRS, **place, state="open", cause="drift", severity="high", opened_at=START,
            updated_at=START, data={"facts": ["bravo-cause"]},
        )
    )  # fmt: skip
    session.add(AlertNoteRow(alert=ALERT, at=START, by="user:bea", kind="note", text=NOTE))
    session.add(MonitorRow(**place, status="steady", reason="bravo-cause", state={}, updated_at=START))
    report = {"loss": dict.fromkeys(("interval", "value", "expected")) | _LOSS, "features": "bravo-metric"}
    session.add(MonitorWindowRow(**place, number=1, start=START, end=START + 9, rows=5, report=report, judged_at=START))
    session.add(
        RegressionGateRow(
            id=GATE, model=MODEL, project=THEIRS, state="proposed", metric="auc", limit=0.5, predicate="bravo-cause",
            digest="", location="local", jurisdiction="AE", cause="rollout/r", created_at=START, updated_at=START,
            data={"rows": 3, "stable": 0.1, "candidate": 0.2, "p": 0.01, "columns": ["distance"], "envelope": None},
        )
    )  # fmt: skip


_LOSS = {"labelled": 0, "method": "none", "reason": "bravo-cause", "metric": "brier"}


def _trainings(session: Session, release: ReleaseRow) -> None:
    row = session.get_one(ReleaseRow, (MODEL, release.number))
    row.data = {**row.data, "retrain": [{"on": "drift"}]}
    session.add(
        TrainingRequestRow(
            id=TRAINING, model=MODEL, project=THEIRS, kind="manual", occasion="by/x", attempt=1, times=1, state="won",
            reason="bravo-cause", cause={"kind": "manual"}, actor="user:bea", at=START, run_id=RUN, data={},
            requested_at=START, started_at=START, ended_at=START + 1,
        )
    )  # fmt: skip
    session.add(RetrainingRow(model=MODEL, project=THEIRS, observations={}, updated_at=START))


def _rollout(session: Session, change: str) -> None:
    data = {
        "deployment_id": ROLLOUT, "model": MODEL, "release": 2, "environment": "dev", "location": "local",
        "digest": "d", "change": change, "concludes": change, "strategy": {"kind": "canary", "options": {}},
        "message": "bravo-cause", "plan": plan_of(ROLLOUT, "canary", {"steps": [0.1]}, 2, 1).to_json(),
    }  # fmt: skip
    session.add(
        ProcessRow(id=ROLLOUT, kind="deployment", state="rolling", data=data, created_at=START, updated_at=START)
    )


def _lineage(session: Session, release: ReleaseRow) -> None:
    fit, artifact = Node("step", f"{RUN}/fit"), Node("artifact", TABLE)
    edges = [
        Edge(Node("run", RUN), "ran", Node("commit", "c" * 40)), Edge(fit, lineage.PART_OF, Node("run", RUN)),
        Edge(fit, "read", artifact), Edge(artifact, lineage.SNAPSHOT_OF, Node("source", f"{MODEL}/flights")),
        Edge(Node("training", TRAINING), lineage.CAUSED_BY, Node("alert", ALERT)),
    ]  # fmt: skip
    digests = [envelope_digest(row.envelope) for row in _evidence(session, release)]
    edges += edges_of_release(f"{MODEL}@1", release.run_id, release.digest, TABLE, digests)
    lineage.record(session, edges, START)
    session.add(
        LabelledSnapshotRow(
            digest=TABLE, source=f"{MODEL}/flights", project=THEIRS, classification="health", sector="health",
            origin="AE", subject_key="", filename="f.csv", first_at=START, note="",
        )
    )  # fmt: skip


def _evidence(session: Session, release: ReleaseRow) -> Any:
    from falaj.control import releases

    return releases.evidence_of(session, release)


def _predict(scene: Scene) -> None:
    header = SegmentHeader(f"{MODEL}@2", f"dev/{MODEL}", ("distance",), 0)
    folder = scene.platform.home.location_dir("local") / "predictions" / "replica-1"
    writer = LogWriter(folder, header, time.time_ns)
    writer.append(encode_record(PREDICTION, int((START + 60) * 1e9), [(1400.0,)], {"label": [1]}))
    writer.close()


def _credentials(scene: Scene) -> tuple[str, str]:
    """Ids of a token and of an approval key of `bea`."""
    from falaj.trust.identity import accounts

    who = scene.fresh(_principal(scene, "bea"))
    with scene.platform.database.transaction() as session:
        account = accounts.find(session, who.id)
        new_token = NewToken("token-of-bea", frozenset({"read"}), 9e6, tokens.API)
        _, row = tokens.issue(session, account, new_token, who, scene.now)
        return row.id, scene.keys[who.id].key_id
