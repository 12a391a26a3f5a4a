"""An agent as a process between a control plane over real HTTP and a real Envoy, with real evidence."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from falaj.dataplane import agent
from falaj.dataplane.runtimes.process.os_process import tagged
from falaj.dataplane.runtimes.process.replica import TAG
from falaj.supply_chain.artifacts import open_store
from falaj.supply_chain.attestations import (
    AdmissionDecision,
    Keyring,
    Signer,
    SigningRole,
    open_keyring,
    sign_statement,
)
from falaj.supply_chain.attestations.merkle import consistency_proof
from tests.dataplane.conftest import ask, free_port
from tests.dataplane.control_plane_double import TOKEN, ControlPlaneDouble
from tests.supply_chain.attestations import releases
from tests.supply_chain.attestations.admitted import Log
from tests.waiting import until

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
    behaviour: dict[int, list[str]] = field(default_factory=dict)
    """By release: more arguments for the stand-in replicas."""

    def release(self, number: int, *, signer: Signer | None = None, **changes: Any) -> dict[str, Any]:
        """Make a release, keep it in the store, and return the endpoint that wants it."""
        folder = self.home.parent / f"release-{number}-{len(changes)}"
        release_bundle = releases.make(folder, signer or self.keys, weights=b"%d" % number)
        digest = self.plane.store.put(folder / "model").digest
        assert digest == release_bundle.digest
        evidence = [json.loads(path.read_text()) for path in sorted((folder / "evidence").iterdir())]
        admission = self.admission(number, digest)
        self.log.add(*evidence, admission)
        desired_endpoint = {
            "admission": [admission], "log": self.log.proof([*evidence, admission]),
            "endpoint": NAME, "environment": "dev", "model": "flight-delay", "release": number, "digest": digest,
            "replicas": 1, "evidence": evidence, "environment_lock": None,
        }  # fmt: skip
        return {**desired_endpoint, **changes}

    def admission(self, number: int, digest: str, **changes: Any) -> dict[str, Any]:
        """A standard change into dev, which nobody has to approve."""
        decision = AdmissionDecision(
            change=f"c-{number}", kind="standard", model="flight-delay", release=number, digest=digest,
            environment="dev", rank=0, location="local", jurisdiction="AE", quorum=0, approvals=(),
            not_before=time.time() - 1, expires_at=time.time() + 3600,
        )  # fmt: skip
        return sign_statement(replace(decision, **changes).statement(), self.keys.signer(SigningRole.ADMISSION))

    def logged(self, desired_endpoint: dict[str, Any]) -> dict[str, Any]:
        """The endpoint with the log's proof of all that it carries."""
        return desired_endpoint | {
            "log": self.log.proof([*desired_endpoint["evidence"], *desired_endpoint["admission"]])
        }

    def consistency(self, first: int, second: int) -> list[str]:
        return [item.hex() for item in consistency_proof(first, self.log.hashes[:second])]

    def start(self, *, through_server: bool = False) -> subprocess.Popen[bytes]:
        options = {
            "home": str(self.home), "server_url": self.plane.url, "token": TOKEN, "location": "local",
            "gateway_port": self.port, "store_url": None if through_server else self.store_url,
            "behaviour": {str(release): flags for release, flags in self.behaviour.items()},
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.dataplane.agent_process", json.dumps(options)]
        with (self.home.parent / "agent.log").open("ab") as log:
            self.agents.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return self.agents[-1]

    def until_serving(self, release: int) -> None:
        until(lambda: self.plane.statuses.get(NAME, {}).get("serving") == release)
        assert self.answer() == f"flight-delay@{release}"

    def until_refused(self) -> str:
        until(lambda: self.plane.statuses.get(NAME, {}).get("state") == "failed")
        return str(self.plane.statuses[NAME]["message"])

    def answer(self) -> object:
        return ask(self.port, f"/{NAME}/v2")[2]["name"]

    @property
    def location(self) -> Path:
        return self.home / "locations" / "local"

    def kill(self) -> None:
        self.agents[-1].kill()
        self.agents[-1].wait()


def scene_in(tmp_path: Path) -> Iterator[Scene]:
    """A scene, and nothing of it afterwards."""
    home, store_url = tmp_path / "home", str(tmp_path / "store")
    keys = open_keyring(home / "keys")
    scene = Scene(home, store_url, keys, Log(keys.signer(SigningRole.LOG)), ControlPlaneDouble(open_store(store_url)))
    scene.plane.consistency = scene.consistency
    yield scene
    for process in scene.agents:
        process.kill()
        process.wait()
    agent.stop_location(home, "local")
    scene.plane.close()
    assert list(tagged(TAG, str(scene.location))) == []
