"""`falaj run` and what it says of the last run of the folder, without a server."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from typer.testing import CliRunner

from falaj.build.pipeline.events import RunEvent
from falaj.cli import current_run, output
from falaj.cli.application import application
from falaj.control.runs.contract import RunResult, RunSpec
from falaj.control.runs.local_record import LocalRecord
from falaj.core.errors import UnavailableError, UsageError
from falaj.core.home import Home
from falaj.schemas import api
from tests.cli.conftest import FALAJ
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.integration

PROJECT = "model: m\nowner: o@example.org\npipeline: {say: {command: [echo, hello]}}\nchecks: []\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FALAJ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FALAJ_NO_TRACKING", "1")
    project = tmp_path / "project"
    project.mkdir()
    (project / "falaj.yaml").write_text(PROJECT)
    monkeypatch.chdir(project)
    return project


def falaj(*arguments: str) -> tuple[int, str]:
    cli_result = CliRunner().invoke(
        application(),
        arguments,
    )
    if cli_result.exception and not isinstance(cli_result.exception, SystemExit):
        raise cli_result.exception
    return cli_result.exit_code, cli_result.stdout


def test_what_was_run_here_is_shown_and_its_logs_printed_without_a_server(folder: Path) -> None:
    assert falaj("run", "--quiet", "--junit", "falaj.xml")[0] == 0
    assert 'name="say"' in Path("falaj.xml").read_text() and 'failures="0"' in Path("falaj.xml").read_text()
    code, text = falaj("run", "show", "last")
    assert code == 0
    assert f"of {folder}: succeeded" in text
    assert "say" in text
    assert "hello" in falaj("run", "logs")[1]
    assert falaj("run", "watch")[0] == 0
    with pytest.raises(UsageError, match="cannot be written"):
        falaj("run", "show", "last", "--junit", "nowhere/falaj.xml")


def test_the_folder_is_an_option_and_no_word(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert falaj("run", "project", "-q")[0] == 2
    assert falaj("run", "--set", "say.x=1", "-C", "project", "-q")[0] == 0
    assert "succeeded" in falaj("run", "-C", "project", "show")[1]
    with pytest.raises(UnavailableError):
        falaj("run", "show", "last")


def order(run_id: str, folder: Path) -> RunSpec:
    return RunSpec(run_id, str(folder.resolve()), "", "c", "", {}, "manual")


def test_the_last_one_is_that_of_the_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {})
    for run_id, name, state in (("r1", "a", "succeeded"), ("r2", "a", "failed"), ("r3", "b", "succeeded")):
        record = LocalRecord(home, order(run_id, tmp_path / name))
        record.take(RunEvent("step.started", 1.0, "fit"))
        record.take(RunEvent("step.failed" if state == "failed" else "step.finished", 3.0, "fit", {"message": "no"}))
        record.take(RunEvent("gate.finished", 4.0, "auc >= 0.5", {"passed": True}))
        record.close(RunResult(state))
    last_run = current_run.last_local(home, tmp_path / "a")
    assert last_run is not None
    assert (last_run.id, last_run.state) == ("r2", "failed")
    assert [(each.node, each.state, each.started_at, each.ended_at) for each in last_run.steps] == [
        ("fit", "failed", 1.0, 3.0), ("auc >= 0.5", "passed", 4.0, 4.0),
    ]  # fmt: skip
    assert current_run.last_local(home, tmp_path) is None


def test_on_a_platform_it_is_that_of_the_project_that_the_folder_is_pushed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(run_id: str, created_at: float) -> api.Run:
        return api.Run(run_id, "p", None, "c", None, "push", {}, "failed", "", None, None, created_at, None, None)

    client = SimpleNamespace(
        projects=lambda: [
            SimpleNamespace(name="mine", repository="/srv/mine.git"),
            SimpleNamespace(name="x", repository="/x"),
        ],
        runs=lambda name, _limit: [run("mine-run", 5.0)] if name == "mine" else [run("other", 9.0)],
        run=lambda run_id: run(run_id, 5.0),
    )
    monkeypatch.setenv("FALAJ_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("falaj.sdk.Client.from_home", lambda _: client)
    monkeypatch.setattr(current_run, "_remotes", lambda _folder: ["/srv/mine.git"])
    assert current_run.named_run("last", tmp_path).run.id == "mine-run"
    monkeypatch.setattr(current_run, "_remotes", lambda _folder: [])
    assert current_run.named_run("last", tmp_path).run.id == "last"
    LocalRecord(Home(tmp_path / "home", {}), order("local", tmp_path)).close(RunResult("succeeded"))
    assert current_run.named_run("last", tmp_path).run.id == "local"


@pytest.mark.parametrize(
    ("variable", "value", "coloured"), [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)]
)
def test_a_terminal_without_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(output.sys.stdout, "isatty", lambda: True, raising=False)
    assert ("\x1b" in output.styled("failed", "red")) == coloured


def test_a_machine_without_git_knows_no_remotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert current_run._remotes(tmp_path) == []


FIGURES = """
model: m
owner: o@example.org
pipeline: {draw: {run: "steps:draw", output: report}}
checks: []
"""
DRAW = """
import tempfile
from pathlib import Path


def draw():
    path = Path(tempfile.mkdtemp()) / "roc.svg"
    path.write_text("<svg/>")
    return {"auc": 0.8, "roc": path}
"""


def test_figures_of_a_run_are_listed_and_copied(folder: Path) -> None:
    assert "left a figure" in (falaj("run", "-q"), falaj("run", "figures"))[1][1]
    (folder / "falaj.yaml").write_text(FIGURES)
    (folder / "steps.py").write_text(DRAW)
    assert falaj("run", "--quiet")[0] == 0
    assert "figure roc.svg  6 bytes" in falaj("run", "show")[1]
    code, text = falaj("run", "figures", "--to", "figures")
    assert code == 0 and "roc.svg" in text
    assert (folder / "figures" / "draw" / "roc.svg").read_text() == "<svg/>"
    with pytest.raises(UsageError, match="such a file already"):
        falaj("run", "figures", "--to", "figures")


def test_an_interrupted_run_ends_at_once_and_takes_its_steps_along(folder: Path) -> None:
    (folder / "falaj.yaml").write_text(PROJECT.replace("[echo, hello]", "[sleep, '98765']"))
    with subprocess.Popen([FALAJ, "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(b"running" in line for line in process.stdout)
        until(lambda: sleeping() > 0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANGS_AFTER_S)
    assert process.returncode == 130 and b"Traceback" not in errors
    until(lambda: sleeping() == 0)


def sleeping() -> int:
    """How many processes have the step's argument."""
    return sum("98765" in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
