"""Submodules and Git LFS with real repositories: fetched where the project says so, named where it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from falaj.build.pipeline.errors import WorkspaceError
from falaj.control.runs.checkout import checked_out
from falaj.control.runs.contract import RunSpec
from falaj.control.runs.repository_parts import missing_here
from falaj.core.home import Home
from falaj.integrations.git import GitInputError, submodule_url, submodules

pytestmark = pytest.mark.integration

FETCHED = "model: m\nowner: o@example.org\nrepository: {submodules: true}\npipeline: {a: {command: [sh]}}\n"
PLAIN = FETCHED.replace("repository: {submodules: true}\n", "")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "protocol.file.allow=always"]
    process = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
    )  # fmt: skip
    return process.stdout.strip()


def repository(folder: Path, files: dict[str, str], **submodules: str) -> str:
    """Commit files, and other repositories as submodules; answers with the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path, url in submodules.items():
        git(folder, "submodule", "add", "-q", url, f"src/{path}")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    new_home = Home(tmp_path / "home", {})
    new_home.prepare()
    return new_home


def order(folder: Path, commit: str) -> RunSpec:
    return RunSpec("r1", str(folder), "main", commit, "", {}, "push")


def test_a_submodule_is_named_where_the_project_does_not_ask_for_it(tmp_path: Path, home: Home) -> None:
    repository(tmp_path / "common", {"shared.py": "VALUE = 1\n"})
    commit = repository(tmp_path / "main", {"falaj.yaml": PLAIN}, common=str(tmp_path / "common"))
    with checked_out(order(tmp_path / "main", commit), home) as (full, worktree):
        assert full.missing == (
            "src/common is a submodule that is not fetched: `repository: {submodules: true}` in falaj.yaml fetches it",
        )
        assert not (worktree / "src/common/shared.py").exists()


@pytest.mark.parametrize("relative", [False, True])
def test_submodules_are_fetched_at_the_commit_that_is_named(tmp_path: Path, home: Home, relative: bool) -> None:
    repository(tmp_path / "deep", {"deep.py": "VALUE = 3\n"})
    repository(tmp_path / "common", {"shared.py": "VALUE = 1\n"}, deep=str(tmp_path / "deep"))
    commit = repository(tmp_path / "main", {"falaj.yaml": FETCHED}, common=str(tmp_path / "common"))
    if relative:
        git(tmp_path / "main", "config", "-f", ".gitmodules", "submodule.src/common.url", "../common")
        commit = repository(tmp_path / "main", {})
    (tmp_path / "common" / "shared.py").write_text("VALUE = 2\n")
    git(tmp_path / "common", "commit", "-qam", "later")
    with checked_out(order(tmp_path / "main", commit), home) as (full, worktree):
        assert full.missing == ()
        assert (worktree / "src/common/shared.py").read_text() == "VALUE = 1\n"
        assert (worktree / "src/common/src/deep/deep.py").read_text() == "VALUE = 3\n"


def test_a_commit_that_was_rewritten_away_is_said(tmp_path: Path, home: Home) -> None:
    repository(tmp_path / "common", {"shared.py": "VALUE = 1\n"})
    commit = repository(tmp_path / "main", {"falaj.yaml": FETCHED}, common=str(tmp_path / "common"))
    git(tmp_path / "common", "commit", "-q", "--amend", "-m", "another")
    git(tmp_path / "common", "reflog", "expire", "--expire=now", "--all")
    git(tmp_path / "common", "gc", "-q", "--prune=now")
    with pytest.raises(WorkspaceError, match="there is no commit"), checked_out(order(tmp_path / "main", commit), home):
        pass


def test_folders_that_nobody_allowed_are_refused(tmp_path: Path, home: Home) -> None:
    repository(home.repos / "other.git", {"secret.py": ""})
    repository(tmp_path / "far" / "away", {"secret.py": ""})
    for number, folder in enumerate((home.repos / "other.git", tmp_path / "far" / "away")):
        commit = repository(tmp_path / f"main{number}", {"falaj.yaml": FETCHED}, common=str(folder))
        with pytest.raises(GitInputError) as caught, checked_out(order(tmp_path / f"main{number}", commit), home):
            pass
        assert caught.value.code == "git.foreign-submodule"


def test_a_neighbour_in_the_installation_is_another_projects(tmp_path: Path, home: Home) -> None:
    repository(home.repos / "other.git", {"secret.py": ""})
    commit = repository(home.repos / "main.git", {"falaj.yaml": FETCHED}, common=str(home.repos / "other.git"))
    own = RunSpec("r1", str(home.repos / "main.git"), "main", commit, "", {}, "push", project="main")
    with pytest.raises(GitInputError) as caught, checked_out(own, home):
        pass
    assert caught.value.code == "git.foreign-repository"


@pytest.mark.parametrize(
    ("url", "outer", "expected"),
    [
        ("../common.git", "https://github.com/acme/main.git", ("https://github.com/acme/common.git", True)),
        ("https://github.com/acme/common", "git@github.com:acme/main.git", ("https://github.com/acme/common", True)),
        ("git@github.com:acme/common.git", "https://github.com/acme/main", ("git@github.com:acme/common.git", True)),
        ("https://github.com/other/lib", "https://github.com/acme/main", ("https://github.com/other/lib", False)),
        ("https://gitlab.com/acme/lib", "https://github.com/acme/main", ("https://gitlab.com/acme/lib", False)),
        ("../../other/lib", "https://github.com/acme/main", ("https://github.com/other/lib", False)),
    ],
)
def test_credentials_go_to_the_host_and_owner_of_the_project_only(
    url: str, outer: str, expected: tuple[str, bool]
) -> None:
    assert submodule_url(url, outer) == expected


@pytest.mark.parametrize(
    "url", ["git@github.com:other/lib", "ssh://elsewhere/acme/x", "/srv/git/x", "ext::sh -c x", "-x"]
)
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(GitInputError):
        submodule_url(url, "https://github.com/acme/main")


def test_a_pointer_of_lfs_is_named(tmp_path: Path, home: Home) -> None:
    files = {
        "falaj.yaml": PLAIN,
        ".gitattributes": "*.csv filter=lfs diff=lfs\n",
        "data/a.csv": POINTER,
        "b.csv": "x\n",
    }
    commit = repository(tmp_path / "main", files)
    with checked_out(order(tmp_path / "main", commit), home) as (full, _):
        (sentence,) = full.missing
    assert sentence.startswith("data/a.csv is a pointer of Git LFS whose content is not fetched")


def test_an_empty_submodule_of_a_checkout_is_named(tmp_path: Path) -> None:
    repository(tmp_path / "common", {"shared.py": ""})
    repository(tmp_path / "main", {"falaj.yaml": PLAIN}, common=str(tmp_path / "common"))
    git(tmp_path, "clone", "-q", str(tmp_path / "main"), "clone")
    assert submodules(tmp_path / "clone", git(tmp_path / "clone", "rev-parse", "HEAD"))[0].path == "src/common"
    (sentence,) = missing_here(tmp_path / "clone")
    assert "src/common is a submodule that is not fetched: `git submodule update --init`" in sentence
    assert missing_here(tmp_path / "main") == ()
    assert missing_here(tmp_path) == ()
