"""The agent as a process, with a real Envoy, a real store and real evidence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from falaj.artifacts import open_store
from falaj.evidence import (
    Admission,
    Keyring,
    Role,
    Signer,
    load_or_create_key,
    open_keyring,
    sign_statement,
)
from falaj.evidence.merkle import consistency_proof
from falaj.locations import agent
from falaj.locations.runtimes.process.os_process import tagged
from falaj.locations.runtimes.process.replica import TAG
from tests.evidence import releases
from tests.evidence.admitted import Log
from tests.locations.conftest import Load, ask, free_port, until
from tests.locations.control_plane_double import TOKEN, ControlPlaneDouble

ROOT = Path(__file__).parents[2]
NAME = "dev/flight-delay"


@dataclass
class Scene:
    """A home, a control plane, and the agent between them."""

    home: Path
    store_url: str
    keys: Keyring
    log: Log
    plane: ControlPlaneDouble
    port: int = field(default_factory=free_port)
    agents: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def release(self, number: int, *, signer: Signer | None = None, **changes: Any) -> dict[str, Any]:
        """Make a release, keep it in the store, and return the endpoint that wants it."""
        folder = self.home.parent / f"release-{number}-{len(changes)}"
        made = releases.make(folder, signer or self.keys, weights=b"%d" % number)
        digest = self.plane.store.put(folder / "model").digest
        assert digest == made.digest
        evidence = [json.loads(path.read_text()) for path in sorted((folder / "evidence").iterdir())]
        admission = self.admission(number, digest)
        self.log.add(*evidence, admission)
        wanted = {
            "admission": [admission], "log": self.log.proof([*evidence, admission]),
            "endpoint": NAME, "environment": "dev", "model": "flight-delay", "release": number, "digest": digest,
            "replicas": 1, "strategy": "recreate", "evidence": evidence, "environment_lock": None,
        }  # fmt: skip
        return {**wanted, **changes}

    def admission(self, number: int, digest: str, **changes: Any) -> dict[str, Any]:
        """A standard change into dev, which nobody has to approve."""
        said = Admission(
            change=f"c-{number}", kind="standard", model="flight-delay", release=number, digest=digest,
            environment="dev", rank=0, location="local", jurisdiction="AE", quorum=0, approvals=(),
            not_before=time.time() - 1, expires_at=time.time() + 3600,
        )  # fmt: skip
        return sign_statement(replace(said, **changes).statement(), self.keys.signer(Role.ADMISSION))

    def logged(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The endpoint with the log's proof of all that it carries."""
        return wanted | {"log": self.log.proof([*wanted["evidence"], *wanted["admission"]])}

    def consistency(self, first: int, second: int) -> list[str]:
        return [item.hex() for item in consistency_proof(first, self.log.hashes[:second])]

    def start(self, *, through_server: bool = False) -> subprocess.Popen[bytes]:
        options = {
            "home": str(self.home), "server_url": self.plane.url, "token": TOKEN, "location": "local",
            "envoy_port": self.port, "store_url": None if through_server else self.store_url,
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.locations.agent_process", json.dumps(options)]
        with (self.home.parent / "agent.log").open("ab") as log:
            self.agents.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return self.agents[-1]

    def until_serving(self, release: int) -> None:
        until(lambda: self.plane.statuses.get(NAME, {}).get("serving") == release, timeout_s=30)
        assert self.answer() == f"flight-delay@{release}"

    def until_refused(self) -> str:
        until(lambda: self.plane.statuses.get(NAME, {}).get("state") == "failed", timeout_s=30)
        return str(self.plane.statuses[NAME]["message"])

    def answer(self) -> object:
        return ask(self.port, f"/{NAME}/v2")[2]["name"]

    @property
    def location(self) -> Path:
        return self.home / "locations" / "local"

    def kill(self) -> None:
        self.agents[-1].kill()
        self.agents[-1].wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home, store_url = tmp_path / "home", str(tmp_path / "store")
    keys = open_keyring(home / "keys")
    scene = Scene(home, store_url, keys, Log(keys.signer(Role.LOG)), ControlPlaneDouble(open_store(store_url)))
    scene.plane.consistency = scene.consistency
    yield scene
    for process in scene.agents:
        process.kill()
        process.wait()
    agent.stop_location(home, "local")
    scene.plane.close()
    assert list(tagged(TAG, str(scene.location))) == []


@pytest.mark.e2e
@pytest.mark.parametrize("through_server", [True, False])
def test_serves_what_is_wanted_and_reports_it(scene: Scene, through_server: bool) -> None:
    scene.start(through_server=through_server)
    scene.plane.want(scene.release(1))
    scene.until_serving(1)
    status = scene.plane.statuses[NAME]
    assert status["state"] == "ready" and status["url"] == f"http://127.0.0.1:{scene.port}/{NAME}"
    with Load(scene.port, f"/{NAME}/v2") as load:
        scene.plane.want(scene.release(2))
        scene.until_serving(2)
    assert load.failures == {}
    scene.plane.want()
    until(lambda: ask(scene.port, f"/{NAME}/v2")[0] == 404)


@pytest.mark.e2e
def test_tampered_bytes_are_refused_and_the_old_release_serves(scene: Scene) -> None:
    scene.start(through_server=True)
    scene.plane.want(scene.release(1))
    scene.until_serving(1)
    scene.plane.tamper = {"data/weights.bin": b"X"}
    scene.plane.want(scene.release(2))
    assert "not what its digest names" in scene.until_refused()
    assert scene.answer() == "flight-delay@1" and scene.plane.statuses[NAME]["serving"] == 1
    scene.kill()  # also the next agent serves release 1, not nothing
    scene.plane.statuses = {}
    scene.start(through_server=True)
    scene.until_refused()
    assert scene.answer() == "flight-delay@1"


@pytest.mark.e2e
def test_evidence_that_does_not_hold_is_refused(scene: Scene, tmp_path: Path) -> None:
    stranger = load_or_create_key(tmp_path / "stranger.pem")
    honest = scene.release(1)
    ended = scene.admission(1, honest["digest"], expires_at=time.time() - 60)
    elsewhere = scene.admission(1, honest["digest"], location="frankfurt")
    scene.log.add(ended, elsewhere)
    cases = {
        "no train evidence": {**honest, "evidence": []},
        "trusted": scene.release(2, signer=stranger),
        "no mlbom evidence": {**honest, "evidence": honest["evidence"][:-1]},
        "release of": {**honest, "model": "other", "endpoint": "dev/other"},
        "the admission ended": scene.logged({**honest, "admission": [ended]}),
        "location frankfurt, not local": scene.logged({**honest, "admission": [elsewhere]}),
        "does not show this envelope": {**honest, "admission": [ended]},
    }
    scene.start()
    for text, wanted in cases.items():
        scene.plane.want(wanted)
        name = wanted["endpoint"]
        until(lambda name=name: scene.plane.statuses.get(name, {}).get("state") == "failed", timeout_s=30)
        until(lambda name=name, text=text: text in scene.plane.statuses.get(name, {}).get("message", ""))
        assert ask(scene.port, f"/{name}/v2")[0] == 404
    scene.plane.want(scene.logged(honest))
    scene.until_serving(1)


@pytest.mark.faults
def test_the_data_plane_outlives_agent_and_server(scene: Scene) -> None:
    scene.start()
    scene.plane.want(scene.release(1, replicas=2))
    scene.until_serving(1)
    with Load(scene.port, f"/{NAME}/v2") as load:
        scene.kill()
        scene.plane.close()
        assert scene.answer() == "flight-delay@1"
        victim = next(p for p in tagged(TAG, str(scene.location)))
        scene.start()  # nobody tells it what to serve
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: victim not in set(found := list(tagged(TAG, str(scene.location)))) and len(found) == 2)
    assert load.failures == {}


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_an_agent_killed_anywhere_is_continued(scene: Scene, seconds: float) -> None:
    scene.plane.want(scene.release(1, replicas=2))
    started = scene.start()
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(0.4 + seconds)
    scene.kill()
    scene.start()
    scene.until_serving(1)
    until(lambda: len(list(tagged(TAG, str(scene.location)))) == 2)


@pytest.mark.e2e
def test_sigterm_leaves_the_data_plane_and_stop_ends_it(scene: Scene) -> None:
    process = scene.start()
    scene.plane.want(scene.release(1))
    scene.until_serving(1)
    second = scene.start()
    assert second.wait(20) == 1
    assert "location.agent-running" in (scene.home.parent / "agent.log").read_text()
    process.terminate()
    assert process.wait(20) == 0
    assert scene.answer() == "flight-delay@1"
    agent.stop_location(scene.home, "local")
    with pytest.raises(ConnectionRefusedError):
        scene.answer()


@pytest.mark.e2e
def test_a_verified_copy_that_was_changed_is_fetched_again(scene: Scene) -> None:
    scene.start()
    wanted = scene.release(1)
    scene.plane.want(wanted)
    scene.until_serving(1)
    scene.kill()
    weights = scene.location / "models" / wanted["digest"].removeprefix("sha256:") / "data" / "weights.bin"
    weights.write_bytes(b"changed")
    scene.plane.statuses = {}
    scene.start()
    scene.until_serving(1)
    assert weights.read_bytes() == b"1"
