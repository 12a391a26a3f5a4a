"""Steps on a machine elsewhere: another home, without the files of the server, gives the digests of a local run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from falaj.core.home import Home
from falaj.sdk import Client
from tests.e2e.installation import Installation, free_port
from tests.e2e.test_locations import become_administrator
from tests.waiting import until

pytestmark = [pytest.mark.engines, pytest.mark.e2e]

PLATFORM = "executors: {elsewhere: {kind: worker, jurisdiction: AE, default: true}}\n"
SPEC = """\
model: numbers
owner: you@example.org
risk: low
data:
  rows: {source: "file://data/rows.csv", classification: public, origin: US}
pipeline:
  double: {run: "steps:double", inputs: [rows]}
  total: {run: "steps:total", inputs: [double], output: report, params: {wait_for: ""}}
checks: []
"""
STEPS = """\
import os
import pathlib
import time

import pandas as pd


def double(rows: pd.DataFrame) -> pd.DataFrame:
    print("doubling", len(rows))
    return rows * 2


def total(double: pd.DataFrame, wait_for: str) -> dict:
    print("adding", flush=True)
    while wait_for:
        time.sleep(0.05)
    return {"total": int(double["a"].sum())}
"""


@dataclass
class Machine:
    """A machine elsewhere: a folder, and a process that cannot see the home of the server."""

    home: Path
    hidden: Path
    process: subprocess.Popen[bytes] | None = None
    started: list[int] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def start(self, arguments: list[str]) -> None:
        """Start `falaj platform worker` where a file system of nothing covers the server's home."""
        command = [sys.executable, "-m", "falaj.cli.main", *arguments]
        covered = f"mount -t tmpfs none {shlex.quote(str(self.hidden))} && exec {shlex.join(command)}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FALAJ_")}
        folder = self.home.with_name("nowhere")
        folder.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_UNSHARE, "sh", "-c", covered], cwd=folder, env={**environment, "FALAJ_HOME": str(self.home)},
                stdout=log, stderr=log,
            )  # fmt: skip
        self.started.append(self.process.pid)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def output(self) -> str:
        return self.log.read_text()[-3000:]


_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    if subprocess.run([*_UNSHARE, "true"], check=False).returncode:
        pytest.skip("no namespaces here, so nothing hides the server's files from the machine")
    folder = tmp_path_factory.mktemp("executors")
    settings = {"FALAJ_AGENTS_HOST": "127.0.0.1", "FALAJ_CERTIFICATE_LIFE_S": "6"}
    os.environ.update(settings)
    instance = Installation(folder / "home", (free_port(), free_port()))
    ports = [f"--{name}={port}" for name, port in zip(("port", "gateway-port"), instance.ports, strict=True)]
    instance.ok("up", *ports, f"--agents-port={free_port()}")
    for name in settings:
        del os.environ[name]
    try:
        yield instance
    finally:
        instance.falaj("down")


@pytest.fixture(scope="module")
def project(platform: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two steps, registered; its platform sends steps elsewhere."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("a\n" + "".join(f"{number}\n" for number in range(200)))
    (folder / "falaj.yaml").write_text(SPEC)
    (folder / "steps.py").write_text(STEPS)
    platform.repository(folder, "numbers")
    become_administrator(platform)
    (folder.parent / "platform.yaml").write_text(PLATFORM)
    platform.ok("platform", "apply", "-f", str(folder.parent / "platform.yaml"))
    return folder


@pytest.fixture
def machine(platform: Installation, project: Path, tmp_path: Path) -> Iterator[Machine]:
    elsewhere = Machine(tmp_path / "machine", platform.home)
    elsewhere.start(joining(platform))
    try:
        yield elsewhere
    finally:
        elsewhere.end()


def joining(platform: Installation) -> list[str]:
    """The command for one more machine."""
    printed = platform.ok("platform", "executor", "enroll", "elsewhere", "--address", "127.0.0.1")
    return shlex.split(printed.splitlines()[-1])[1:]


def taken_over(platform: Installation, machine: Machine) -> None:
    """Kill who conducts the run: the next one orders anew, and what was ordered before counts for nothing."""
    started = machine.output().count("step.started")
    platform.kill("worker")
    until(lambda: machine.output().count("step.started") > started, machine.output)
    until(lambda: "step.given-up" in machine.output(), machine.output)


def steps_of(run: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """What each step is called, and what came out of it."""
    steps = (step for step in run["steps"] if step["kind"] == "step")
    return {each["node"]: (each["detail"]["fingerprint"], each["detail"]["outputs"]) for each in steps}


def local_run(platform: Installation, project: Path, home: Path) -> dict[str, Any]:
    """The same files, run by hand in a home of their own."""
    own = Installation(home, platform.ports)
    run_id = json.loads(own.ok("run", "--json", cwd=project))["data"]["run"]
    document: dict[str, Any] = json.loads((home / "runs" / run_id / "run.json").read_text())
    return document


def test_a_machine_without_the_server_s_files_gives_the_digests_of_a_local_run(
    platform: Installation, project: Path, machine: Machine, tmp_path: Path
) -> None:
    commit = platform.push(project)
    run = platform.ended(commit)
    assert run["state"] == "succeeded", (run, machine.output())
    assert machine.output().count("step.started") == 2
    assert steps_of(run) == steps_of(local_run(platform, project, tmp_path / "local"))
    assert {step["detail"]["executor"] for step in run["steps"] if step["kind"] == "step"} == {"elsewhere"}
    assert "doubling 200" in platform.ok("run", "logs", run["id"])
    shown = platform.json("platform", "executor", "list")[0]
    assert shown["machines"][0]["state"] == "enrolled" and shown["waiting"] == shown["running"] == 0
    names = {path.name for path in (machine.home / "keys").iterdir()}
    assert not names & {"ca.pem", "builder.pem", "admitter.pem"}


def test_a_machine_that_is_killed_in_a_step_loses_nothing(
    platform: Installation, project: Path, machine: Machine, tmp_path: Path
) -> None:
    text = (project / "falaj.yaml").read_text()
    (project / "falaj.yaml").write_text(text.replace('wait_for: ""', "wait_for: ever"))
    (project / "data" / "rows.csv").write_text("a\n1\n2\n")
    commit = platform.push(project)
    until(lambda: machine.output().count("step.started") == 2, machine.output)
    run_id = until(lambda: platform.run_of(commit))["id"]
    until(lambda: "adding" in platform.ok("run", "logs", run_id), machine.output)
    machine.end(signal.SIGKILL)
    other = Machine(tmp_path / "other", platform.home)
    other.start(joining(platform))
    try:
        until(lambda: "step=total attempt=" in other.output(), other.output)
        assert "step=double" not in other.output()  # what was done is not done again
        until(lambda: other.output().count("certificate.renewed") >= 4, other.output)  # the first one has run out
        taken_over(platform, other)
        owner = Home(platform.home, {})
        Client(owner.server_url, owner.token).cancel_run(run_id)
        assert platform.ended(commit)["state"] == "cancelled"
        until(lambda: "code=step.cancelled" in other.output(), other.output)
    finally:
        other.end()
