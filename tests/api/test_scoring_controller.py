"""Who may score a file by what, with which data where; and what lineage and the audit log know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from falaj.trust import audit, settings
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite

INPUT, OUTPUT = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
REQUEST = {"release": MODEL, "environment": "dev", "location": "local", "input": INPUT, "filename": "today.csv"}
PATH = "/api/v1/scorings"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scorings")
    database = migrated_sqlite(folder / "falaj.db")
    api_scene = open_scene(folder, database)
    api_scene.to_dev(api_scene.release())
    api_scene.to_dev(api_scene.release())
    api_scene.release()
    people = [("zaid", "data-scientist", "flights"), ("yara", "data-scientist", "others"), ("noor", "auditor", None)]
    people.append(("rima", "ml-engineer", None))
    for name, role, project in people:
        grant(database, name, role, project=project)
    yield api_scene
    database.close()


def ask(scene: Scene, name: str = "zaid", **changes: Any) -> Any:
    return acting_as(app_of(scene.platform), name).post(PATH, json=REQUEST | changes)


def entries(scene: Scene, kind: str) -> int:
    with scene.platform.database.reading() as session:
        return len(audit.entries(session, audit.EntryFilter(kind=kind)))


@pytest.mark.integration
def test_what_serves_may_score_and_it_is_written_down(scene: Scene) -> None:
    before = entries(scene, "scoring.permitted")
    answer = ask(scene)
    assert answer.status_code == 200, answer.text
    permit = answer.json()
    assert (permit["release"], permit["residency"], permit["permitted_to"]) == (f"{MODEL}@2", "AE", "user:zaid")
    assert permit["plan"]["release"] == 2 and permit["plan"]["evidence"] and permit["plan"]["admission"]
    assert ask(scene).json()["scoring"] == permit["scoring"] and entries(scene, "scoring.permitted") == before + 2
    result = {"scoring": permit["scoring"], "output": OUTPUT, "rows": 3}
    client = acting_as(app_of(scene.platform), "zaid")
    record = client.post(f"{PATH}/results", json=result).json()
    assert record == {**result, "release": f"{MODEL}@2", "input": INPUT}
    walk = client.get("/api/v1/lineage", params={"node": f"artifact:{OUTPUT}"}).json()["edges"]
    assert {(each["derived"], each["origin"]) for each in walk} >= {
        (f"artifact:{OUTPUT}", f"scoring:{permit['scoring']}"),
        (f"scoring:{permit['scoring']}", f"release:{MODEL}@2"),
        (f"scoring:{permit['scoring']}", f"artifact:{INPUT}"),
    }
    assert entries(scene, "file.scored") == 1


@pytest.mark.parametrize(("name", "status"), [("yara", 403), ("noor", 403)])
def test_others_may_not(scene: Scene, name: str, status: int) -> None:
    assert ask(scene, name).status_code == status
    assert ask(scene, name, release=f"{MODEL}@1").status_code == status


def test_a_named_release_must_have_been_admitted_there(scene: Scene) -> None:
    assert ask(scene, release=f"{MODEL}@1").json()["plan"]["release"] == 1
    never = ask(scene, release=f"{MODEL}@3")
    assert never.status_code == 409 and never.json()["code"] == "scoring.not-admitted"
    absent = ask(scene, environment="prod")
    assert absent.status_code == 404 and absent.json()["code"] == "scoring.endpoint"


def test_what_nobody_asked_for_has_no_result(scene: Scene) -> None:
    result = {"scoring": f"{MODEL}/{'a' * 24}", "output": OUTPUT, "rows": 1}
    for name, status in (("rima", 404), ("zaid", 403)):  # who works in one project is not told which there are
        assert acting_as(app_of(scene.platform), name).post(f"{PATH}/results", json=result).status_code == status


def test_data_that_may_not_be_there_is_refused_by_the_same_rules(scene: Scene) -> None:
    abroad = {"classification": "health", "origin": "US"}
    refused = ask(scene, label=abroad)
    assert refused.status_code == 403 and "residency" in refused.text
    assert ask(scene, label={"classification": "health", "origin": "AE"}).status_code == 200
    # The same bytes stay what they were said to be, whatever is said of them next.
    assert ask(scene, label={"classification": "public", "origin": "AE"}).json()["classification"] == "health"
    with scene.platform.database.reading() as session:
        spec = settings.current(session)
    there = {**spec.locations, "local": replace(spec.locations["local"], jurisdiction="IN")}
    entity = {"jurisdiction": "AE"}
    scene.settle(replace(spec, policy_packs=("uae",), locations=there, entity=entity))
    personal = ask(scene, input=f"sha256:{'3' * 64}", label={"classification": "personal", "origin": "AE"})
    assert personal.status_code == 403 and "uae-transfer" in personal.text
    scene.settle(spec)


@pytest.mark.parametrize(
    "wrong", [{"input": "sha256:1"}, {"release": "../x"}, {"label": {"origin": "AE"}}, {"more": 1}]
)
def test_what_is_misformed_is_refused(scene: Scene, wrong: dict[str, Any]) -> None:
    assert ask(scene, **wrong).status_code == 400
