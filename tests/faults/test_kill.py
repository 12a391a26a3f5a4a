"""kill -9 at every process and at every step: the run finishes, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, processes_of
from tests.faults.conftest import STEPS
from tests.waiting import until

pytestmark = pytest.mark.faults


def steps_of(installation: Installation) -> dict[int, str]:
    commands = {}
    for pid, command in processes_of(installation.home).items():
        with suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(item.startswith(f"HOME={installation.home}/runs/".encode()) for item in environ):
                commands[pid] = command
    return commands


def wait_for_step(installation: Installation, marks: Path, number: int) -> None:
    until((marks / str(number)).exists, installation.logs)


def finished_cleanly(installation: Installation, commit: str, marks: Path, interrupted: int | None) -> None:
    run = installation.ended(commit)
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    executions = {int(path.name): len(path.read_text()) for path in marks.iterdir()}
    assert set(executions) == set(range(STEPS))
    for number, times in executions.items():
        assert times == 1 or (number == interrupted and times == 2), f"step {number} was executed {times} times"
    until(lambda: not steps_of(installation))


@pytest.mark.parametrize("part", ["worker", "notary", "server", "agent"])
def test_a_killed_process_loses_nothing(installation: Installation, slow_project: Path, marks: Path, part: str) -> None:
    commit = installation.push(slow_project)
    wait_for_step(installation, marks, 2)
    killed = installation.kill(part)
    until(lambda: installation.pid(part) != killed)
    finished_cleanly(installation, commit, marks, interrupted=2 if part == "worker" else None)


@pytest.mark.parametrize("number", range(STEPS))
def test_a_worker_killed_in_any_step_is_continued(
    installation: Installation, slow_project: Path, marks: Path, number: int
) -> None:
    commit = installation.push(slow_project)
    wait_for_step(installation, marks, number)
    installation.kill("worker")
    finished_cleanly(installation, commit, marks, interrupted=number)


def test_everything_killed_at_once_goes_on_after_up(
    installation: Installation, slow_project: Path, marks: Path
) -> None:
    commit = installation.push(slow_project)
    wait_for_step(installation, marks, 1)
    for part in ("supervisor", "server", "notary", "worker", "agent"):
        with suppress(ProcessLookupError):
            installation.kill(part)
    until(lambda: "falaj.cli.main" not in " ".join(processes_of(installation.home).values()))
    installation.up()
    finished_cleanly(installation, commit, marks, interrupted=1)


def test_a_killed_step_fails_the_run_with_the_reason(
    installation: Installation, slow_project: Path, marks: Path
) -> None:
    commit = installation.push(slow_project)
    wait_for_step(installation, marks, 1)
    for pid, command in steps_of(installation).items():
        if "python" in command:
            os.kill(pid, signal.SIGKILL)
    run = installation.ended(commit)
    assert run["state"] == "failed"
    assert "s1" in run["reason"] and "signal 9" in run["reason"]


def test_a_push_while_the_server_is_down_is_not_lost(
    installation: Installation, slow_project: Path, marks: Path
) -> None:
    installation.down()
    commit = installation.push(slow_project)
    installation.up()
    finished_cleanly(installation, commit, marks, interrupted=None)


def test_a_cancelled_run_ends_its_processes(installation: Installation, slow_project: Path, marks: Path) -> None:
    (marks.parent / "hold-1").touch()
    commit = installation.push(slow_project)
    wait_for_step(installation, marks, 1)
    run = installation.run_of(commit)
    assert run is not None
    installation.ok("run", "cancel", run["id"])
    assert installation.ended(commit)["state"] == "cancelled"
    until(lambda: not steps_of(installation))
    assert not (marks / "2").exists()
