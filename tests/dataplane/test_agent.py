"""The agent as a process, with a real Envoy, a real store and real evidence."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from falaj.dataplane import agent
from falaj.dataplane.runtimes.process.os_process import tagged
from falaj.dataplane.runtimes.process.replica import TAG
from falaj.supply_chain.attestations import load_or_create_key
from tests.dataplane.agent_scene import NAME, Scene
from tests.dataplane.conftest import Load, ask
from tests.waiting import HANGS_AFTER_S, until

ROOT = Path(__file__).parents[2]


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
    for text, desired_endpoint in cases.items():
        scene.plane.want(desired_endpoint)
        name = desired_endpoint["endpoint"]
        until(lambda name=name: scene.plane.statuses.get(name, {}).get("state") == "failed")
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
        until(lambda: victim not in set(processes := list(tagged(TAG, str(scene.location)))) and len(processes) == 2)
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
    assert second.wait(HANGS_AFTER_S) == 1
    assert "location.agent-running" in (scene.home.parent / "agent.log").read_text()
    process.terminate()
    assert process.wait(HANGS_AFTER_S) == 0
    assert scene.answer() == "flight-delay@1"
    agent.stop_location(scene.home, "local")
    with pytest.raises(ConnectionRefusedError):
        scene.answer()


@pytest.mark.e2e
def test_a_verified_copy_that_was_changed_is_fetched_again(scene: Scene) -> None:
    scene.start()
    desired_endpoint = scene.release(1)
    scene.plane.want(desired_endpoint)
    scene.until_serving(1)
    scene.kill()
    weights = scene.location / "models" / desired_endpoint["digest"].removeprefix("sha256:") / "data" / "weights.bin"
    weights.write_bytes(b"changed")
    scene.plane.statuses = {}
    scene.start()
    scene.until_serving(1)
    assert weights.read_bytes() == b"1"
