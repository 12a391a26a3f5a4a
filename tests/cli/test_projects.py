"""Project files on the terminal: init, validate, schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from falaj import __version__
from tests.cli.conftest import Command
from tests.platforms import Served

pytestmark = pytest.mark.integration


@pytest.fixture
def project(falaj: Command, tmp_path: Path) -> Path:
    assert falaj("init", "tumours").returncode == 0
    return tmp_path / "tumours"


def test_what_init_makes_is_valid(falaj: Command, project: Path) -> None:
    ended = falaj("validate", "tumours")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "tumours: model tumours, 3 steps, 4 checks, 2 gates: valid\n"
    assert falaj("validate", cwd=project).returncode == 0
    assert falaj("validate", str(project / "falaj.yaml")).returncode == 0


def test_validate_says_what_a_release_will_lack(falaj: Command, project: Path) -> None:
    file = project / "falaj.yaml"
    spec = yaml.safe_load(file.read_text())
    for key in ("checks", "expect", "gates"):
        spec.pop(key, None)
    file.write_text(yaml.safe_dump(spec))
    ended = falaj("validate", "tumours")
    assert (ended.returncode, ended.stderr) == (0, "")
    _, behaviour, gate = ended.stdout.splitlines()
    assert "cannot be released, no check of behaviour" in behaviour and "cannot be released, no gate" in gate
    shown = falaj("init", "tumours", "--check-only").stdout
    assert "no check of behaviour" in shown and "no gate" in shown
    spec["expect"] = {"tumours": {"rows": {"min": 1}}}
    file.write_text(yaml.safe_dump(spec))
    assert "behaviour" not in falaj("validate", "tumours").stdout, "what `expect` says of data is one"


def test_init_overwrites_nothing(falaj: Command, project: Path) -> None:
    before = (project / "falaj.yaml").read_text()
    ended = falaj("init", "tumours")
    assert ended.returncode == 4 and "Traceback" not in ended.stderr
    assert (project / "falaj.yaml").read_text() == before


def test_validate_prints_what_it_read_as_json(falaj: Command, project: Path) -> None:
    read = json.loads(falaj("validate", "tumours", "--json").stdout)
    assert read["model"] == "tumours" and set(read["steps"]) == {"split", "fit", "evaluate"}


def test_every_mistake_is_a_line_with_its_place(falaj: Command, project: Path) -> None:
    text = (project / "falaj.yaml").read_text()
    text = text.replace("    inputs: [", "    inputz: [").replace("risk: low", "risk: none")
    (project / "falaj.yaml").write_text(text)
    ended = falaj("validate", "tumours")
    *mistakes, last = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert last == "error: the project file has 4 mistakes"
    places = [re.match(r"tumours/falaj\.yaml:(\d+):(\d+): ([\w.]+): ", line) for line in mistakes]
    lines = text.splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if "inputz" in line or "risk:" in line]
    assert [int(place[1]) for place in places if place] == wrong
    assert [place[3] for place in places if place] == [
        "risk",
        "pipeline.split.inputz",
        "pipeline.fit.inputz",
        "pipeline.evaluate.inputz",
    ]
    assert "did you mean 'inputs'?" in mistakes[1]


def test_one_mistake_is_a_line_too(falaj: Command, project: Path) -> None:
    path = project / "falaj.yaml"
    path.write_text(path.read_text().replace("tumours.training:fit", "tumours.training:fitt"))
    mistake, last = falaj("validate", cwd=project).stderr.splitlines()
    assert re.match(r"falaj\.yaml:16:\d+: pipeline\.fit\.run: .*did you mean", mistake)
    assert last == "error: the project file has 1 mistake"


@pytest.mark.parametrize("content", [b"", b"[", b"a: 1\na: 2\n", b"\xff\xfe\x00", b"!!python/object:os.system {}\n"])
def test_a_file_that_is_hardly_yaml_has_a_place_as_well(falaj: Command, project: Path, content: bytes) -> None:
    (project / "falaj.yaml").write_bytes(content)
    ended = falaj("validate", cwd=project)
    assert ended.returncode == 2
    assert re.match(r"falaj\.yaml:\d+:\d+: ", ended.stderr) and "Traceback" not in ended.stderr


def test_a_folder_without_a_file_says_how_to_make_one(falaj: Command) -> None:
    ended = falaj("validate")
    assert ended.returncode == 2
    assert "there is no such file" in ended.stderr and "falaj init" in ended.stderr


def test_a_run_of_a_wrong_file_names_the_mistake_and_begins_nothing(falaj: Command, project: Path) -> None:
    path = project / "falaj.yaml"
    path.write_text(path.read_text().replace("gates:", "gatez:"))
    ended = falaj("run", cwd=project)
    assert ended.returncode == 2
    assert "falaj.yaml:33:1: gatez" in ended.stderr and "Traceback" not in ended.stderr


def test_the_schema_is_a_json_schema_without_loose_ends(falaj: Command) -> None:
    schema = json.loads(falaj("project", "schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12")
    for part in _parts(schema):
        assert part.get("type", "object") in {"object", "array", "string", "number", "integer", "boolean", "null"}
        assert set(part.get("required", [])) <= set(part.get("properties", {}))
        assert re.compile(str(part.get("pattern", "")))
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema."""
    yield schema
    for keyword in ("properties", "patternProperties", "$defs"):
        for part in schema.get(keyword, {}).values():
            yield from _parts(part)
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", [])]
    for part in inner:
        if isinstance(part, dict):
            yield from _parts(part)


def test_the_completion_script_is_printed(falaj: Command) -> None:
    ended = falaj("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ended.returncode == 0
    assert "_FALAJ_COMPLETE=complete_bash" in ended.stdout


def test_the_version_is_printed(falaj: Command) -> None:
    assert falaj("--version").stdout == f"falaj {__version__}\n"


def test_completion_knows_the_commands(falaj: Command) -> None:
    ended = falaj(_FALAJ_COMPLETE="complete_bash", COMP_WORDS="falaj rel", COMP_CWORD="1")
    assert ended.stdout.split() == ["release"]


def test_a_refused_remote_leaves_no_repository_behind(
    falaj_served: Command, falaj: Command, served: Served, tmp_path: Path
) -> None:
    for refused in (
        falaj_served("project", "add", "theirs", FALAJ_TOKEN="not one"),
        falaj_served("project", "add", "theirs", "--vendor", "github"),
        falaj("project", "add", "theirs", FALAJ_SERVER="http://127.0.0.1:9"),
    ):
        assert refused.returncode != 0
    assert not [*served.home.repos.glob("theirs*"), *tmp_path.rglob("theirs.git")]
    assert falaj_served("project", "add", "theirs").returncode == 0
    assert (served.home.repos / "theirs.git" / "hooks" / "post-receive").exists()
