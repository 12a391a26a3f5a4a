"""A location elsewhere: its agent enrols, serves over mutual TLS, changes certificates, comes back, and is put out.

Its machine has the bare wheel alone, without the control plane and without extras.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from falaj.dataplane.agent import stop_location
from tests.e2e.installation import ROOT, Installation, free_port
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.locations, pytest.mark.e2e]
PASSWORD = "correct horse battery"
PLATFORM = """\
environments:
  dev: {rank: 0, locations: [edge-1]}
locations:
  local: {jurisdiction: AE}
  edge-1: {kind: edge, jurisdiction: AE}
"""


@dataclass
class Edge:
    """The machine of `edge-1`: another folder, and an agent that is started by a command."""

    home: Path
    programs: Path
    envoy: int = field(default_factory=free_port)
    agent: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return {**inherited, "FALAJ_HOME": str(self.home)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = str(self.programs / command[0])
        return subprocess.run(
            [program, *command[1:]], env=self.environment, capture_output=True, text=True, check=False,
            timeout=HANGS_AFTER_S,
        )  # fmt: skip

    def start(self) -> None:
        command = [self.programs / "falaj-agent", "run", "--location", "edge-1", "--gateway-port", str(self.envoy)]
        with (self.home.parent / "edge.log").open("ab") as log:
            self.agent = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            self.run("falaj-agent", "status", "--location", "edge-1", "--json").stdout
        )
        return document

    def stop(self) -> None:
        if self.agent is not None:
            self.agent.terminate()
            self.agent.wait(20)

    def output_of(self) -> str:
        return (self.home.parent / "edge.log").read_text()[-3000:]

    def serial(self) -> int:
        path = self.home / "locations" / "edge-1" / "membership" / "agent.pem"
        return x509.load_pem_x509_certificate(path.read_bytes()).serial_number if path.exists() else 0


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation with the port for agents, whose certificates are good for six seconds."""
    monkeypatch.setenv("FALAJ_AGENTS_HOST", "127.0.0.1")
    monkeypatch.setenv("FALAJ_CERTIFICATE_LIFE_S", "6")
    instance = Installation(tmp_path / "home", (free_port(), free_port()))
    ports = (
        "--port",
        str(instance.ports[0]),
        "--gateway-port",
        str(instance.ports[1]),
        "--agents-port",
        str(free_port()),
    )
    assert "agents of other locations" in instance.ok("up", *ports)
    try:
        yield instance
    finally:
        instance.falaj("down")


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    edge_site = Edge(tmp_path / "edge", bare_wheel(tmp_path / "venv"))
    edge_site.home.mkdir()
    try:
        yield edge_site
    finally:
        edge_site.stop()
        stop_location(edge_site.home, "edge-1")


def test_a_location_elsewhere(platform: Installation, edge: Edge, tmp_path: Path) -> None:
    become_administrator(platform)
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    platform.ok("platform", "apply", "-f", str(tmp_path / "platform.yaml"))
    has_no_control_plane(edge)
    for command in enrolment(platform):
        process = edge.run(*command)
        assert process.returncode == 0, process.stderr
    edge.start()
    until(lambda: location(platform)["state"] == "enrolled", edge.output_of)
    assert not (edge.home / "keys" / "ca.pem").exists()
    serves_what_is_pushed(platform, edge, tmp_path / "tumours")
    changes_certificates_while_it_runs(platform, edge)
    comes_back_after_its_certificate_ran_out(platform, edge)
    is_put_out(platform, edge)


def become_administrator(platform: Installation) -> None:
    link = (platform.home / "setup-link").read_text().strip()
    person = ("--name", "root", "--email", "root@example.org", "--password-stdin")
    platform.ok("access", "bootstrap", link, *person, stdin_text=PASSWORD)


def bare_wheel(folder: Path) -> Path:
    """Install the wheel with its plain dependencies, as the lock has them; return the folder of programs."""
    import uv

    options = ["--quiet", "--frozen", "--no-default-groups", "--no-editable", "--python", sys.executable]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    environment.setdefault("UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))
    subprocess.run([uv.find_uv_bin(), "sync", *options], cwd=ROOT, env=environment, check=True)
    return folder / "bin"


def has_no_control_plane(edge: Edge) -> None:
    packages = {path.name.partition("-")[0] for path in edge.programs.parent.glob("lib/*/site-packages/*.dist-info")}
    assert "falaj" in packages and not packages & {"sqlalchemy", "fastapi", "pydantic", "typer", "joserfc"}
    process = edge.run("falaj", "run", "list")
    assert process.returncode == 2
    assert process.stderr == "error: falaj needs 'typer', which is not installed: pip install 'falaj[server]'\n"


def enrolment(platform: Installation) -> list[list[str]]:
    """The commands that an administrator is told to run on the other machine, but the last, which goes on running."""
    *before, enroll, run = platform.ok("location", "enroll", "edge-1", "--address", "127.0.0.1").splitlines()
    assert before
    assert run == "falaj-agent run --location edge-1"
    return [shlex.split(enroll)]


def location(platform: Installation) -> dict[str, Any]:
    listed = platform.falaj("location", "list", "--json")
    location_rows = json.loads(listed.stdout) if listed.returncode == 0 else []
    return next((each for each in location_rows if each["location"] == "edge-1"), {"state": ""})


def serves_what_is_pushed(platform: Installation, edge: Edge, folder: Path) -> None:
    project = platform.plain_template(folder)
    platform.ok("logout")  # the installation itself follows the run
    run = platform.ended(platform.push(platform.repository(project, "tumours")))
    assert run["state"] == "succeeded", run["reason"] + platform.logs()

    def ready() -> list[dict[str, Any]]:
        return [e for e in platform.json("endpoint", "list") if (e["location"], e["state"]) == ("edge-1", "ready")]

    endpoint_rows = until(ready, lambda: edge.output_of() + str(platform.json("endpoint", "list")))
    assert f":{edge.envoy}/" in endpoint_rows[0]["url"]
    with (project / "data" / "tumours.csv").open() as table:
        row = {name: float(value) for name, value in next(csv.DictReader(table)).items() if name != "malignant"}
    assert platform.json("predict", "dev/tumours", "--row", json.dumps(row))["release"] == "tumours@1"
    assert edge.status() | {"certificate": ""} == {
        "location": "edge-1", "agent": "running", "certificate": "", "endpoints": ["dev/tumours tumours@1"],
    }  # fmt: skip


def changes_certificates_while_it_runs(platform: Installation, edge: Edge) -> None:
    serials = {edge.serial()}
    until(lambda: serials.add(edge.serial()) or len(serials) >= 3, edge.output_of)
    assert edge.agent is not None and edge.agent.poll() is None
    until(lambda: location(platform)["state"] == "enrolled", edge.output_of)
    platform.kill("server")  # the next one has the same authority
    before = edge.serial()
    until(lambda: edge.serial() != before, edge.output_of)


def comes_back_after_its_certificate_ran_out(platform: Installation, edge: Edge) -> None:
    edge.stop()
    until(lambda: location(platform)["state"] == "silent")
    before = edge.serial()
    edge.start()
    until(lambda: edge.serial() != before and location(platform)["state"] == "enrolled", edge.output_of)


def is_put_out(platform: Installation, edge: Edge) -> None:
    assert platform.falaj("location", "deregister", "edge-1").returncode != 0  # the installation itself may not
    platform.ok("login", "--account", "root", "--password-stdin", stdin_text=PASSWORD)
    platform.ok("location", "deregister", "edge-1")
    assert location(platform)["state"] == "not-enrolled"
    until(lambda: "workload.certificate" in edge.output_of(), edge.output_of)
