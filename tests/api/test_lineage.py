"""Walks, stories and traces over the API, of two projects that share an artifact."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from falaj.control.runs.lineage import edges_of_release
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader
from falaj.dataplane.prediction_log.format import encode_record
from falaj.storage import EvidenceRow, ProjectRow, ReleaseRow, RunRow, StepRunRow
from falaj.supply_chain.attestations import envelope_digest
from falaj.trust import lineage
from falaj.trust.lineage import Edge, Node
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.releases.scene import MODEL, START, Scene, open_scene
from tests.databases import migrated_sqlite

PREDICTION = "0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a"
TABLE, FITTED = Node("artifact", "sha256:table"), Node("artifact", "sha256:fitted")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Release 1 is live in dev and answered once; its table was made in a run of another project."""
    folder = tmp_path_factory.mktemp("lineage")
    database = migrated_sqlite(folder / "falaj.db")
    api_scene = open_scene(folder, database)
    api_scene.person("noor", "auditor")
    release = api_scene.release()
    with database.transaction() as session:
        session.add(ProjectRow(name="others", repository="/o", branch="main", created_at=1.0))
        session.flush()
        session.add(
            RunRow(
                id="r9", project="others", commit="9" * 40, trigger="push", params={}, state="rejected", created_at=1.0
            )
        )
        for position, (node, kind) in enumerate([("prepare", "step"), ("fit", "step"), ("tests", "check")]):
            session.add(
                StepRunRow(run_id="run1", node=node, kind=kind, state="succeeded", position=position, detail={},
                           started_at=START, ended_at=START + 1)
            )  # fmt: skip
        run = session.get_one(RunRow, "run1")
        run.started_at, run.ended_at, run.model = START, START + 2, MODEL
        lineage.record(session, [*edges_of("run1", cached=True), *edges_of("r9", cached=False)], START)
        lineage.record(session, _of_release(session.query(EvidenceRow).all(), release), START)
    api_scene.to_dev(release)
    header = SegmentHeader(f"{MODEL}@1", f"dev/{MODEL}", ("distance",), 0)
    writer = LogWriter(
        api_scene.platform.home.location_dir("local") / "predictions" / "replica-1", header, time.time_ns
    )
    writer.append(encode_record(PREDICTION, int((START + 60) * 1e9), [(1400.0,)], {"label": [1]}))
    writer.close()
    for name, project in (("zaid", "flights"), ("yara", "others")):
        grant(database, name, "data-scientist", project=project)
    yield api_scene
    database.close()


def edges_of(run: str, *, cached: bool) -> list[Edge]:
    prepare, fit = Node("step", f"{run}/prepare"), Node("step", f"{run}/fit")
    mine = [
        Edge(Node("run", run), "ran", Node("commit", f"of {run}")),
        Edge(prepare, "part of", Node("run", run)),
        Edge(prepare, "read", Node("artifact", "sha256:raw")),
        Edge(Node("artifact", "sha256:raw"), "snapshot of", Node("source", f"{MODEL}/flights")),
    ]
    if not cached:
        return [*mine, Edge(TABLE, "made by", prepare)]
    fitted = [Edge(fit, "part of", Node("run", run)), Edge(fit, "read", TABLE), Edge(FITTED, "made by", fit)]
    return [*mine, Edge(prepare, "reused", TABLE), *fitted]


def _of_release(evidence: list[EvidenceRow], release: ReleaseRow) -> list[Edge]:
    digests = [envelope_digest(row.envelope) for row in evidence]
    return list(edges_of_release(f"{MODEL}@1", release.run_id, release.digest, FITTED.name, digests))


@pytest.fixture(scope="module")
def app(scene: Scene) -> FastAPI:
    return app_of(scene.platform)


def nodes(app: FastAPI, who: str, node: str, direction: str = "up") -> set[str]:
    answer = acting_as(app, who).get("/api/v1/lineage", params={"node": node, "direction": direction})
    assert answer.status_code == 200
    return {each[end] for each in answer.json()["edges"] for end in ("derived", "origin")}


@pytest.mark.integration
def test_a_walk_leads_from_a_release_to_its_sources_and_back(app: FastAPI) -> None:
    up = nodes(app, "noor", f"release:{MODEL}@1")
    assert {"run:run1", "commit:of run1", "artifact:sha256:table", f"source:{MODEL}/flights", "run:r9"} <= up
    assert f"release:{MODEL}@1" in nodes(app, "noor", f"source:{MODEL}/flights", "down")


def test_who_reads_one_project_is_told_nothing_of_another(app: FastAPI) -> None:
    mine = nodes(app, "zaid", f"release:{MODEL}@1")
    assert {"run:run1", "artifact:sha256:table"} <= mine
    assert not any("r9" in each for each in mine)
    assert nodes(app, "yara", f"release:{MODEL}@1") == set()
    assert nodes(app, "yara", FITTED.kind + ":" + FITTED.name) == set()
    assert "step:r9/prepare" in nodes(app, "yara", str(TABLE))
    assert acting_as(app, "nobody").get("/api/v1/lineage", params={"node": str(TABLE)}).status_code == 403


def test_a_walk_says_when_there_is_more(app: FastAPI) -> None:
    noor = acting_as(app, "noor")
    few = noor.get("/api/v1/lineage", params={"node": f"release:{MODEL}@1", "limit": 3}).json()
    assert (len(few["edges"]), few["complete"]) == (3, False)
    assert all(each["derived"] == f"release:{MODEL}@1" for each in few["edges"])
    assert noor.get("/api/v1/lineage", params={"node": f"release:{MODEL}@1"}).json()["complete"]


@pytest.mark.integration
def test_a_prediction_is_traced_to_the_steps_the_data_and_who_let_it_serve(scene: Scene, app: FastAPI) -> None:
    trace = acting_as(app, "zaid").get(f"/api/v1/predictions/{PREDICTION}").json()
    assert (trace["release"]["number"], trace["run"]["id"]) == (1, "run1")
    assert (trace["served"]["began_at"], trace["change"]["id"]) == (START, trace["served"]["change"])
    assert {"train", "dataset", "provenance"} <= {each["kind"] for each in trace["evidence"]}
    prepare, fit = trace["steps"]
    assert (prepare["read"], prepare["outputs"], prepare["made_in"]) == (["sha256:raw"], [TABLE.name], [])
    assert (fit["name"], fit["read"], fit["outputs"], fit["made_in"]) == ("fit", [TABLE.name], [FITTED.name], ["run1"])
    refused = acting_as(app, "yara").get(f"/api/v1/predictions/{PREDICTION}")
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")


def test_the_story_names_author_data_and_rollout(app: FastAPI) -> None:
    (story,) = acting_as(app, "zaid").get(f"/api/v1/why/dev/{MODEL}").json()
    assert story["author"] == "Amal <amal@example.org>"
    assert [each["name"] for each in story["data"]] == ["flights", "weather"]
    assert story["rollout"] == {"strategy": "recreate", "replicas": 1, "began_at": START, "live_at": START}
    assert acting_as(app, "yara").get(f"/api/v1/why/dev/{MODEL}").status_code == 403


def test_a_run_is_exported_as_events_of_openlineage(app: FastAPI) -> None:
    events = acting_as(app, "zaid").get("/api/v1/runs/run1/openlineage").json()
    assert [each["eventType"] for each in events] == ["START", "START", "COMPLETE", "START", "COMPLETE", "COMPLETE"]
    assert [each["name"] for each in events[-1]["inputs"]] == ["flights"]
    assert acting_as(app, "yara").get("/api/v1/runs/run1/openlineage").status_code == 403
