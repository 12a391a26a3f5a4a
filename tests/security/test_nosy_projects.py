"""A project whose code looks around: in a step, in what it returns, and while its environment is built."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest
import uv

from falaj.config import StepSpec
from falaj.core.home import Home
from falaj.core.sandbox import offered
from falaj.core.venv.environment import build
from falaj.core.venv.errors import EnvironmentBuildError
from tests.build.pipeline.conftest import Project

pytestmark = [
    pytest.mark.skipif(not offered().hides_files, reason="the kernel has neither namespaces nor Landlock"),
    pytest.mark.integration,
]

SECRETS = ("keys/identity.pem", "keys/root.key", "token", "falaj.db", "mlflow.db", "runs/other/worktree/steps.py")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation with keys, databases and another project's run; the place is the one of `project`."""
    for name in SECRETS:
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SECRET")
    return tmp_path / "home"


LOOK = """
    import os
    from pathlib import Path

    def look(home: str, names: list[str], worker: int) -> list[str]:
        "What can be read of an installation and of the process that started this one."
        places = [Path(home, name) for name in names] + [Path(f"/proc/{pid}/environ") for pid in (worker, os.getppid())]
        found = []
        for place in places:
            try:
                place.read_bytes()
                found.append(str(place))
            except OSError:
                pass
        for folder in (Path(home, "store", "refs"), Path(__file__).parent):
            try:
                (folder / "planted").write_text("x")
                found.append(str(folder))
            except OSError:
                pass
        return found
"""


def test_a_step_reads_no_secret_and_plants_nothing(project: Project, home: Path) -> None:
    project.write("steps.py", LOOK)
    (home / "store" / "refs").mkdir(parents=True)
    params = {"home": str(home), "names": [*SECRETS], "worker": os.getpid()}
    result = project.run(StepSpec("look", run="steps:look", params=params))
    assert project.value(result, "look") == []
    assert not [*project.root.rglob("planted")]


@pytest.mark.parametrize(
    "command",
    [
        "ln -s {home}/keys/identity.pem {{outputs.output}}.json",
        "ln -s {home}/keys {{outputs.output}}",
        "d=$(dirname {{outputs.output}}); rmdir $d; mkdir $d.x; ln -s {home} $d",
    ],
    ids=["a file", "a folder", "the folder of outputs"],
)
def test_an_output_that_leads_elsewhere_is_refused(project: Project, home: Path, command: str) -> None:
    """Whoever keeps the output stands outside of the sandbox, and would follow the link."""
    shell = command.format(home=home).replace("{{", "{").replace("}}", "}")
    result = project.run(StepSpec("link", command=("sh", "-c", shell)))
    error = result.steps["link"].error
    assert error is not None
    assert error.code == "step.wrong-output"
    assert "is a link" in error.message


BACKEND = """
    import os, zipfile
    from pathlib import Path

    def build_wheel(folder, config_settings=None, metadata_directory=None):
        found = []
        for place in LOOK_AT:
            try:
                Path(place).read_bytes()
                found.append(place)
            except OSError:
                pass
        for place in PLANT_IN:
            try:
                Path(place, "planted").write_text("x")
                found.append(place)
            except OSError:
                pass
        name = "nosy-1.0-py3-none-any.whl"
        files = {
            "nosy.py": f"FOUND = {found!r}",
            "nosy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: nosy\\nVersion: 1.0\\n",
            "nosy-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        }
        files["nosy-1.0.dist-info/RECORD"] = "".join(f"{each},,\\n" for each in [*files, "nosy-1.0.dist-info/RECORD"])
        with zipfile.ZipFile(Path(folder, name), "w") as wheel:
            for each, text in files.items():
                wheel.writestr(each, text)
        return name
"""


def test_a_build_reads_no_secret_and_plants_nothing(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, worktree = tmp_path / "cache", tmp_path / "worktree"
    cache.mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    (worktree / "lib").mkdir(parents=True)
    look_at, plant_in = [str(home / name) for name in SECRETS], [str(cache), str(home / "keys"), str(worktree)]
    constants = f"LOOK_AT = {look_at!r}\nPLANT_IN = {plant_in!r}\n"
    (worktree / "lib" / "backend.py").write_text(constants + textwrap.dedent(BACKEND))
    (worktree / "lib" / "pyproject.toml").write_text(
        '[project]\nname = "nosy"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (worktree / "pyproject.toml").write_text(
        '[project]\nname = "own"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["nosy"]\n'
        '[tool.uv]\npackage = false\n[tool.uv.sources]\nnosy = {path = "lib"}\n'
    )
    subprocess.run([uv.find_uv_bin(), "lock", "--offline", "--quiet"], cwd=worktree, check=True)
    environment = build(worktree, Home(home, {}))
    command = [environment.python, "-c", "import nosy; print(nosy.FOUND)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
    assert not [*tmp_path.rglob("planted")]
    (worktree / "lib" / "backend.py").write_text("raise SystemExit")
    with pytest.raises(EnvironmentBuildError):  # the lock is the same, what it names is not
        build(worktree, Home(home, {}))


READ_CONF = """
    import os

    def fit(name: str) -> str:
        with open(os.path.join(os.getcwd(), name)) as file:
            return file.read()
"""
needs_landlock = pytest.mark.skipif(not offered().landlock, reason="the kernel has no Landlock")


@needs_landlock
def test_a_step_reads_the_files_that_count_for_its_result_and_no_others(project: Project, home: Path) -> None:
    """One that is refused is told what to declare; declared, it is read, and its bytes count."""
    project.write("steps.py", READ_CONF)
    project.write("conf/a.json", "1")
    project.write("conf/b.txt", "2")
    project.write("notes.md", "3")
    name = {"name": "/".join(("conf", "a.json"))}
    refused = project.run(StepSpec("fit", run="steps:fit", params=name))
    error = refused.steps["fit"].error
    assert error is not None and error.code == "step.not-declared"
    assert str(error).endswith("read `conf/a.json`, which is not declared (add `files: [conf/*.json]` to the step)")
    declared = StepSpec("fit", run="steps:fit", params=name, files=("conf/*.json",))
    read = project.run(declared)
    assert project.value(read, "fit") == "1"
    again = project.run(declared)
    assert again.steps["fit"].cached
    project.write("conf/a.json", "9")
    assert project.value(project.run(declared), "fit") == "9"
    other = project.run(StepSpec("fit", run="steps:fit", params={"name": "notes.md"}, files=("conf/*.json",)))
    assert other.steps["fit"].error is not None and "files: [notes.md]" in str(other.steps["fit"].error)


@needs_landlock
def test_what_a_command_is_refused_is_told_from_its_words(project: Project, home: Path) -> None:
    project.write("steps.py", "")
    project.write("conf/a.json", "1")
    step = StepSpec("show", command=("cat", "conf/a.json", "{outputs.output}"))
    error = project.run(step).steps["show"].error
    assert error is None or error.code != "step.not-declared"  # a file that a command names is declared by that
    step = StepSpec("show", command=("sh", "-c", "cat conf/a.js* > {outputs.output}"), files=("steps.py",))
    error = project.run(step).steps["show"].error
    assert error is not None and "add `files: [conf/*.json]`" in str(error)


def test_without_a_wall_for_files_every_file_counts(project: Project) -> None:
    from falaj.build.pipeline.fingerprint_inputs import FingerprintInputs
    from falaj.build.pipeline.graph import expand

    project.write("steps.py", 'import os\n\ndef count() -> int:\n    return len(os.listdir("conf"))\n')
    project.write("conf/a.json", "1")
    (node,) = expand({"fit": StepSpec("fit", run="steps:count")}, {}).values()
    for enforced, readable in ((True, ("conf/a.json", "steps.py")), (False, None)):
        project.write("other.md", "x")
        facts = FingerprintInputs(project.worktree, project.environment, "r1", enforced=enforced)
        assert facts.readable(node, ()) == readable
