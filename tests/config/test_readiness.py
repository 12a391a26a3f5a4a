"""What a folder still needs, seen in real folders and repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from falaj.cli.application import application
from falaj.config import create_project
from falaj.config.readiness import requirements

pytestmark = pytest.mark.integration


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def missing(folder: Path, *, optional: bool = False) -> list[str]:
    return [each.name for each in requirements(folder) if not each.met and each.optional == optional]


def test_what_is_missing_gets_less_as_it_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "wines"
    assert missing(folder) == ["folder"]
    folder.mkdir()
    assert missing(folder) == ["falaj.yaml", "pyproject.toml", "git repository"]
    create_project(folder, template="multiclass")
    assert missing(folder) == ["lockfile", "git repository"]
    (folder / "uv.lock").write_text("")
    git(folder, "init", "-b", "main")
    assert missing(folder) == []
    assert missing(folder, optional=True) == ["commit", "remote"]
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "x")
    git(folder, "remote", "add", "falaj", "/srv/wines.git")
    assert missing(folder, optional=True) == []


@pytest.mark.parametrize(
    ("path", "text", "name", "words"),
    [
        ("falaj.yaml", "model: 3\n", "falaj.yaml", "model"),
        ("data/wines.csv", None, "data wines", "there is no data/wines.csv"),
        ("data/wines.csv", "version https://git-lfs.github.com/spec/v1\noid x\n", "data wines", "a pointer of Git LFS"),
        ("tests/test_steps.py", None, "tests", "none in tests/"),
        ("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['pandas>=2']\n", "mlflow", "not among"),
    ],
)
def test_each_thing_is_named_with_what_was_seen(
    tmp_path: Path, path: str, text: str | None, name: str, words: str
) -> None:
    create_project(tmp_path, "wines", "multiclass")
    if text is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(text)
    (requirement,) = (each for each in requirements(tmp_path) if each.name == name)
    assert not requirement.met
    assert words in requirement.detail
    assert requirement.fix


def test_the_command_writes_nothing_and_says_whether_anything_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli_result = CliRunner().invoke(application(), ["project", "init", "--check-only"])
    assert cli_result.exit_code == 1
    assert "falaj.yaml" in cli_result.stdout
    assert "`falaj init --template blank`" in cli_result.stdout
    assert [*tmp_path.iterdir()] == []
    create_project(tmp_path, "a", "blank")
    git(tmp_path, "init", "-b", "main")
    assert CliRunner().invoke(application(), ["init", "--check-only"]).exit_code == 0
