from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from falaj.config import create_project, load_project
from falaj.config.create import TEMPLATES
from falaj.core.errors import ConflictError, UsageError


def test_the_project_is_valid_and_named(project: Path) -> None:
    assert load_project(project).to_spec().model == "tumour-risk"
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == "tumour-risk"
    assert "{{" not in "".join(file.read_text() for file in project.rglob("*") if file.is_file())


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_a_valid_project_named_throughout(tmp_path: Path, template: str) -> None:
    created = create_project(tmp_path, "wine quality", template)
    text = "".join(file.read_text() for file in created)
    assert load_project(tmp_path).to_spec().model == "wine-quality"
    assert "{{" not in text
    assert (tmp_path / "src" / "wine_quality").is_dir()
    assert "package" not in {part for file in created for part in file.parts}


@pytest.mark.e2e
@pytest.mark.parametrize("template", TEMPLATES)
def test_its_own_tests_and_lint_pass(tmp_path: Path, template: str) -> None:
    project = tmp_path
    create_project(project, "wine-quality", template)
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    commands = [["pytest", "-q", "-p", "no:cacheprovider"], ["ruff", "check", "--no-cache", "."]]
    for command in commands:
        process = subprocess.run([sys.executable, "-m", *command], cwd=project, capture_output=True, text=True)
        assert process.returncode == 0, process.stdout + process.stderr


def test_a_blank_one_goes_into_a_repository_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "My_Cool.model"\n')
    (tmp_path / "README.md").write_text("mine")
    created = create_project(tmp_path, template="blank")
    assert load_project(tmp_path).model == "my-cool-model"
    assert (tmp_path / "README.md").read_text() == "mine"
    assert tmp_path / "src/my_cool_model/steps.py" in created
    with pytest.raises(ConflictError, match=r"falaj\.yaml exists"):
        create_project(tmp_path, template="blank")


def test_a_module_hides_no_library(tmp_path: Path) -> None:
    for name, package in (("pandas", "pandas_model"), ("json", "json_model"), ("class", "class_model"), ("a-b", "a_b")):
        create_project(tmp_path / name, template="blank")
        assert (tmp_path / name / "src" / package / "steps.py").exists()


def test_there_is_no_other_template(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template 'nope'") as caught:
        create_project(tmp_path, "a", "nope")
    assert "regression" in caught.value.hint


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConflictError, match="exists already"):
        create_project(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(("name", "model"), [("My Model", "my-model"), ("a_b", "a-b"), ("x9", "x9")])
def test_names_become_model_names(tmp_path: Path, name: str, model: str) -> None:
    create_project(tmp_path, name)
    assert load_project(tmp_path).model == model


@pytest.mark.parametrize("name", ["9x", "a/b", "é", "a" * 64, "..", "a--b"])
def test_names_without_a_usable_form(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        create_project(tmp_path, name)
    assert not [*tmp_path.iterdir()]
