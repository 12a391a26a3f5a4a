"""Who may take predictions out, and that it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.trust import audit
from tests.api.people import acting_as, grant
from tests.apps import app_of
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite

ENDPOINT = f"dev/{MODEL}"
QUERY = {"endpoint": ENDPOINT, "location": "local", "since": 1.0, "until": 2.0}
PATH = "/api/v1/predictions/exports"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("predictions")
    database = migrated_sqlite(folder / "falaj.db")
    api_scene = open_scene(folder, database)
    api_scene.release()
    grants = [
        ("zaid", "data-scientist", "flights"),
        ("yara", "data-scientist", "others"),
        ("rima", "ml-engineer", None),
    ]
    for name, role, project in [*grants, ("noor", "auditor", None), ("adel", "admin", None)]:
        grant(database, name, role, project=project)
    yield api_scene
    database.close()


def written(scene: Scene) -> int:
    with scene.platform.database.reading() as session:
        return len(audit.entries(session, audit.EntryFilter(kind="predictions.exported")))


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "status"), [("zaid", 200), ("rima", 200), ("yara", 403), ("noor", 403), ("adel", 403)]
)
def test_who_learns_from_a_project_may_and_others_may_not(scene: Scene, name: str, status: int) -> None:
    before = written(scene)
    answer = acting_as(app_of(scene.platform), name).post(PATH, json=QUERY)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["exported_by"] == f"user:{name}"
    assert written(scene) - before == (status == 200)


@pytest.mark.parametrize(
    "wrong", [{"endpoint": "flight-delay"}, {"endpoint": "../x/y"}, {"since": -1}, {"location": "../x"}, {"more": 1}]
)
def test_what_is_misformed_is_refused(scene: Scene, wrong: dict[str, object]) -> None:
    assert acting_as(app_of(scene.platform), "zaid").post(PATH, json=QUERY | wrong).status_code == 400


def test_a_model_that_nobody_knows_is_not_found(scene: Scene, tmp_path: Path) -> None:
    for name, status in (("rima", 404), ("zaid", 403)):  # who works in one project is not told which there are
        answer = acting_as(app_of(scene.platform), name).post(PATH, json=QUERY | {"endpoint": "dev/unknown"})
        assert answer.status_code == status and not list(tmp_path.iterdir())
