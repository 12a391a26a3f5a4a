from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from falaj.errors import ConflictError, UsageError
from falaj.project import create_project, load_project


def test_the_project_is_valid_and_named(project: Path) -> None:
    assert load_project(project).to_spec().model == "tumour-risk"
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == "tumour-risk"
    assert "{{" not in "".join(file.read_text() for file in project.rglob("*") if file.is_file())


@pytest.mark.e2e
def test_its_own_tests_and_lint_pass(project: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    commands = [["pytest", "-q", "-p", "no:cacheprovider"], ["ruff", "check", "--no-cache", "."]]
    for command in commands:
        done = subprocess.run([sys.executable, "-m", *command], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConflictError, match="exists already"):
        create_project(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(("name", "model"), [("My Model", "my-model"), ("a_b", "a-b"), ("x9", "x9")])
def test_names_become_model_names(tmp_path: Path, name: str, model: str) -> None:
    create_project(tmp_path, name)
    assert load_project(tmp_path).model == model


@pytest.mark.parametrize("name", ["", "9x", "a/b", "é", "a" * 64, "..", "a--b"])
def test_names_without_a_usable_form(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        create_project(tmp_path, name)
    assert not [*tmp_path.iterdir()]
