"""What a step can reach counts for its result, and what cannot be followed is said once."""

from __future__ import annotations

import dataclasses

import pytest

from falaj.build.pipeline import PipelineResult
from falaj.config import StepSpec
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

STEP = StepSpec("f", run="steps:f")
UNKNOWN = "from pathlib import Path\n\ndef f() -> str:\n    return eval(Path('rule.txt').read_text())\n"


def ran(result: PipelineResult) -> bool:
    assert result.ok, [step.error for step in result.steps.values()]
    return not result.steps["f"].cached


def warnings(project: Project) -> list[str]:
    return [event.data["message"] for event in project.events if event.kind == "run.warning"]


def test_every_file_of_the_project_counts_where_the_code_cannot_be_followed(project: Project) -> None:
    project.write("steps.py", UNKNOWN)
    project.write("rule.txt", "'a'")
    project.write("notes/other.md", "x")
    assert ran(project.run(STEP))
    assert len(warnings(project)) == 1
    assert "steps.py:4 (eval) cannot be followed" in warnings(project)[0]
    assert "`files: [...]`" in warnings(project)[0]
    assert not ran(project.run(STEP, run_id="r2"))
    project.write("notes/other.md", "y")
    assert ran(project.run(STEP, run_id="r3"))


def test_declared_files_take_the_place_of_all_but_the_code(project: Project) -> None:
    project.write("steps.py", UNKNOWN)
    project.write("rule.txt", "'a'")
    project.write("notes/other.md", "x")
    step = dataclasses.replace(STEP, files=("rule.txt",))
    assert ran(project.run(step))
    assert warnings(project) == []
    project.write("notes/other.md", "y")
    assert not ran(project.run(step, run_id="r2"))
    project.write("rule.txt", "'b'")
    assert ran(project.run(step, run_id="r3"))
    project.write("plug.py", "x = 1")
    assert ran(project.run(step, run_id="r4"))


def test_a_place_is_named_once_for_all_steps_that_reach_it(project: Project) -> None:
    project.write("steps.py", UNKNOWN)
    project.write("rule.txt", "'a'")
    project.run(STEP, StepSpec("g", run="steps:f"), StepSpec("sh", command=("sh", "-c", "exit")))
    assert len(warnings(project)) == 2
    assert any("the command `sh` cannot be followed" in each for each in warnings(project))


@pytest.mark.parametrize(
    "command", [("python", "tools/run.py"), ("python", "-c", "import helper"), ("python", "-m", "helper")]
)
def test_commands_of_python_are_followed(project: Project, command: tuple[str, ...]) -> None:
    project.write("helper.py", "x = 1")
    project.write("tools/run.py", "import sys\nprint('helper')\n")
    project.write("data.txt", "x")
    step = StepSpec("f", command=command)
    assert ran(project.run(step))
    assert warnings(project) == []
    project.write("data.txt", "y")
    assert not ran(project.run(step, run_id="r2"))
    project.write("helper.py", "x = 2")
    assert ran(project.run(step, run_id="r3"))


def test_the_code_that_a_model_is_made_of_counts_where_it_is_read(project: Project) -> None:
    project.write("shapes.py", "class Shape:\n    sides = 3\n")
    project.write(
        "make.py",
        "import os, pickle\nfrom pathlib import Path\nfrom shapes import Shape\n\ndef make() -> Path:\n"
        "    path = Path(os.environ['TMPDIR'], 'shape.pickle')\n"
        "    path.write_bytes(pickle.dumps(Shape()))\n    return path\n",
    )
    project.write("use.py", "import sys\nfrom pathlib import Path\n\ndef f(make: Path) -> int:\n    return 1\n")
    steps = (StepSpec("make", run="make:make"), StepSpec("f", run="use:f", inputs=("make",)))
    assert ran(project.run(*steps))
    assert not ran(project.run(*steps, run_id="r2"))
    project.write("shapes.py", "class Shape:\n    sides = 4\n")
    assert ran(project.run(*steps, run_id="r3"))


def test_every_step_has_the_same_time_zone_language_and_an_empty_home(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(
        "steps.py",
        """
        import locale, os, time
        from pathlib import Path

        def f() -> list[str]:
            home = Path.home()
            return [
                time.strftime("%H:%M", time.localtime(0)), str(locale.setlocale(locale.LC_ALL, "")),
                str([*home.iterdir()]), os.environ["USER"],
            ]
        """,
    )
    for run, zone in (("r1", "Asia/Dubai"), ("r2", "America/New_York")):
        for name, value in {"TZ": zone, "LC_ALL": "C", "HOME": "/", "USER": zone}.items():
            monkeypatch.setenv(name, value)
        step = dataclasses.replace(STEP, cache=False)
        assert project.value(project.run(step, run_id=run), "f") == ["00:00", "C.UTF-8", "[]", "falaj"]
