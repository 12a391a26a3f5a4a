"""An author who hides behind the last commit: everyone who wrote what a release adds is barred from approving it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from falaj.control.runs import queue
from falaj.integrations.git import contributors
from falaj.storage import Database, ProjectRow
from tests.databases import migrated_sqlite
from tests.supply_chain.attestations.admitted import make_world

pytestmark = pytest.mark.integration


class Repository:
    """A repository to which people commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)

    def commit(self, author: str, committer: str = "", message: str = "work") -> str:
        who = {}
        for role, name in (("AUTHOR", author), ("COMMITTER", committer or author)):
            who |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": f"{name.lower()}@example.org"}
        run = ["git", "-C", str(self.folder)]
        environ = {"PATH": "/usr/bin:/bin", **who}
        subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", message], check=True, env=environ)
        return subprocess.run([*run, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def test_all_commits_since_the_release_before_count(repository: Repository) -> None:
    before = repository.commit("Early")
    repository.commit("Mallory")
    repository.commit("Omar", committer="Carla", message="work\n\nCo-authored-by: Dana <dana@example.org>")
    tip = repository.commit("Omar", message="a typo")
    people = contributors(repository.folder, tip, before)
    assert people == (
        "Carla <carla@example.org>", "Dana <dana@example.org>", "Mallory <mallory@example.org>",
        "Omar <omar@example.org>",
    )  # fmt: skip
    assert "Early <early@example.org>" in contributors(repository.folder, tip), "of the first release, all"


def test_a_rewritten_history_hides_nobody(repository: Repository) -> None:
    repository.commit("Mallory")
    tip = repository.commit("Omar")
    assert len(contributors(repository.folder, tip, "f" * 40)) == 2


@pytest.mark.parametrize(
    "trained", [{"contributors": ("Carla <CARLA@example.org>",)}, {"started_by": "user:carla"}], ids=["wrote", "pushed"]
)
def test_a_location_refuses_an_approval_of_who_wrote_or_pushed_it(tmp_path: Path, trained: dict[str, Any]) -> None:
    assert make_world(tmp_path, trained=trained).codes() == ["admission.self-approval", "admission.quorum"]


@pytest.mark.parametrize(
    ("actor", "trigger", "noted"),
    [("user:lina", "push", "user:lina"), ("service:home", "push", ""), ("user:lina", "manual", "")],
)
def test_who_pushed_is_noted_where_they_proved_it(tmp_path: Path, actor: str, trigger: str, noted: str) -> None:
    from falaj.control.runs import lifecycle
    from falaj.storage.durable import ProcessTable

    database: Database = migrated_sqlite(tmp_path / "falaj.db")
    table = ProcessTable(database, {"run": lifecycle.transition})
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="r", branch="main", created_at=0.0))
        session.flush()
        order = queue.RunOrder("p", "1" * 40, trigger=trigger, actor=actor)
        assert queue.enqueue(session, table, order, 1.0)[0].started_by == noted
