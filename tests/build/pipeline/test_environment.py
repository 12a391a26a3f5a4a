from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import uv

from falaj.build.pipeline.errors import WorkspaceError
from falaj.build.pipeline.step_env import step_environ
from falaj.build.pipeline.workspace import workspace
from falaj.core.home import Home
from falaj.core.venv.environment import Environment, build
from falaj.core.venv.errors import EnvironmentBuildError

pytestmark = pytest.mark.integration

LOCKED = """
[project]
name = "tiny"
version = "0"
requires-python = ">=3.11"
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", {})


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(LOCKED)
    subprocess.run([uv.find_uv_bin(), "lock", "--offline", "--quiet"], cwd=folder, check=True)
    return folder


def test_a_lock_is_built_once(locked: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[str] = []
    first = build(locked, home, before_install=announced.append)
    assert announced == ["uv.lock"]
    assert first.reproducible
    assert first.lockfile == "uv.lock"
    shown = subprocess.run(
        [first.python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip().startswith(str(home.root / "envs"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("built again"))
    assert build(locked, home, before_install=announced.append) == first
    assert announced == ["uv.lock"]


def test_a_half_built_environment_is_built_again(locked: Path, home: Home) -> None:
    first = build(locked, home)
    prefix = first.python.parent.parent
    (prefix / "falaj-ready.json").unlink()
    (prefix / "junk").touch()
    assert build(locked, home) == first
    assert not (prefix / "junk").exists()


def test_a_home_below_another_project_builds_environments(locked: Path, home: Home) -> None:
    (home.root.parent / "pyproject.toml").write_text(LOCKED.replace('name = "', 'name = "another-'))
    assert build(locked, home).reproducible


def test_several_builders_at_once(locked: Path, home: Home) -> None:
    import threading

    built: list[Environment] = []
    threads = [threading.Thread(target=lambda: built.append(build(locked, home))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 3
    assert len({*built}) == 1


def test_the_settings_of_uv_count_and_other_tools_do_not(locked: Path, home: Home) -> None:
    first = build(locked, home)
    (locked / "pyproject.toml").write_text(LOCKED + "[tool.other]\nx = 1\n")
    assert build(locked, home).digest == first.digest
    (locked / "pyproject.toml").write_text(LOCKED + "[tool.uv]\npackage = false\n")
    assert build(locked, home).digest != first.digest


def test_requirements_with_hashes_are_a_lock(tmp_path: Path, home: Home) -> None:
    (tmp_path / "requirements.txt").write_text("# nothing is needed, --hash=\n")
    built = build(tmp_path, home)
    assert (built.reproducible, built.lockfile) == (True, "requirements.txt")
    assert built.python.exists()


def test_without_a_lock_the_python_at_hand(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    (tmp_path / "requirements.txt").write_text("numpy\n")
    built = build(tmp_path, home)
    assert not built.reproducible
    assert built.lockfile is None
    assert len(built.digest) == 64
    assert build(tmp_path, home) == built


def test_a_lock_that_cannot_be_installed(locked: Path, home: Home) -> None:
    (locked / "uv.lock").write_text("this is no lock")
    with pytest.raises(EnvironmentBuildError) as caught:
        build(locked, home)
    assert caught.value.code == "environment.build-failed"
    assert "uv.lock" in caught.value.message
    assert not [*(home.root / "envs").glob("*/falaj-ready.json")]


def test_threads_follow_the_cores(tmp_path: Path) -> None:
    environment = Environment(Path("/env/bin/python"), "x", reproducible=True)
    outer = {
        "PATH": "/bin",
        "SECRET": "x",
        "LC_ALL": "ar_AE.UTF-8",
        "LC_TIME": "de_DE",
        "TZ": "Asia/Dubai",
        "HOME": "/me",
    }
    variables = step_environ(environment, tmp_path, 0.5, {"A": "b"}, outer)
    assert variables["OMP_NUM_THREADS"] == "1"
    assert variables["PATH"] == f"/env/bin{os.pathsep}/bin"
    assert (variables["A"], variables["VIRTUAL_ENV"]) == ("b", "/env")
    assert (variables["TZ"], variables["LANG"], variables["LC_ALL"]) == ("UTC", "C.UTF-8", "C.UTF-8")
    assert not {"SECRET", "LC_TIME", "HOME"} & variables.keys()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    process = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return process.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / ".gitattributes").write_text("a.txt export-ignore\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "a.txt").write_text("changed, not committed")
    (folder / "stray.txt").write_text("not tracked")
    return folder


@pytest.mark.parametrize("bare", [False, True])
def test_a_workspace_holds_the_commit_alone(repository: Path, tmp_path: Path, bare: bool) -> None:
    source = repository
    if bare:
        source = tmp_path / "bare.git"
        git(tmp_path, "clone", "-q", "--bare", str(repository), str(source))
    status = git(repository, "status", "--porcelain")
    with workspace(source, "main", tmp_path / "w") as folder:
        assert (folder / "a.txt").read_text() == "one"
        assert os.access(folder / "run.sh", os.X_OK)
        assert not (folder / "stray.txt").exists()
    assert not folder.exists()
    assert git(repository, "status", "--porcelain") == status
    assert "w" not in git(source, "worktree", "list").replace(str(tmp_path), "").split("/")


def test_what_a_killed_process_left_is_replaced(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "old").touch()
    with workspace(repository, "HEAD", tmp_path / "w") as folder:
        assert not (folder / "old").exists()


@pytest.mark.parametrize("commit", ["0" * 40, "no-such-branch", "--all", "main:a.txt"])
def test_a_commit_that_is_not_there(repository: Path, tmp_path: Path, commit: str) -> None:
    with pytest.raises(WorkspaceError), workspace(repository, commit, tmp_path / "w"):
        pass
    assert not (tmp_path / "w").exists()


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no repository"), workspace(tmp_path / "x", "main", tmp_path / "w"):
        pass
