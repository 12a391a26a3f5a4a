"""The process runtime against a real Envoy."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from falaj.dataplane.desired_state import EndpointState
from falaj.dataplane.errors import GatewayError, PortInUseError
from falaj.dataplane.runtimes.process import gateway, supervision
from falaj.dataplane.runtimes.process.envoy.admin import EnvoyAdmin
from falaj.dataplane.runtimes.process.os_process import tagged
from falaj.dataplane.runtimes.process.replica import TAG, ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import Traffic
from tests.dataplane.conftest import Load, MakeRuntime, ask, servable
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.e2e


def records(place: LocationFolders) -> dict[str, int]:
    return {r.slot.id: r.process.pid for r in ReplicaRecords(place.folder / "replicas") if r.process}


def test_serves_an_endpoint_and_answers_problems_elsewhere(runtime: ProcessRuntime, place: LocationFolders) -> None:
    (status,) = runtime.settle([servable(replicas=2)], timeout_s=HANGS_AFTER_S)
    port = runtime.gateway.port
    assert (status.state, status.replicas_ready, status.serving) == (EndpointState.READY, 2, 1)
    assert status.url == f"http://127.0.0.1:{port}/dev/m"

    code, headers, body = ask(port, "/dev/m/v2/health/ready?x=1")
    assert (code, body["name"], body["path"]) == (200, "m@1", "/v2/health/ready?x=1")
    assert headers["falaj-release"] == "m@1"

    code, headers, problem = ask(port, "/dev/other/v2")
    assert (code, headers["content-type"]) == (404, "application/problem+json")
    assert problem["code"] == "endpoint.unknown" and problem["status"] == 404
    assert ask(port, "/dev/m2")[0] == 404
    assert ask(port, "/dev/other/../m/v2")[2]["path"] == "/v2"

    until(lambda: "via_upstream" in place.layout.access_log.read_text())
    line = json.loads(place.layout.access_log.read_text().splitlines()[0])
    assert line["release"] == 1 and line["weights"] == {"1": 10000} and line["endpoint"] == "dev/m"


def test_the_request_id_is_the_gateways_own(runtime: ProcessRuntime) -> None:
    runtime.settle([servable()], timeout_s=HANGS_AFTER_S)
    mine = "11111111-2222-4333-8444-555555555555"
    _, headers, body = ask(runtime.gateway.port, "/dev/m/infer", "POST", b"{}", {"x-request-id": mine})
    assert body["request_id"] == headers["x-request-id"] != mine


def test_a_prediction_of_100_mb_is_refused_and_one_of_30_mb_is_not(runtime: ProcessRuntime) -> None:
    runtime.settle([servable()], timeout_s=HANGS_AFTER_S)
    url = f"http://127.0.0.1:{runtime.gateway.port}/dev/m/infer"

    def chunks(count: int):
        yield from [b"x" * 1_000_000] * count

    with httpx.Client(trust_env=False, timeout=HANGS_AFTER_S) as client:
        for content in (b"x" * 100_000_000, chunks(100)):
            answer = client.post(url, content=content)
            assert answer.status_code == 413
            assert answer.json()["code"] == "prediction.too-large"
        assert client.post(url, content=b"x" * 30_000_000).json()["bytes"] == 30_000_000


def test_a_new_release_takes_over_without_a_failed_request(runtime: ProcessRuntime, place: LocationFolders) -> None:
    runtime.settle([servable(1, replicas=2)], timeout_s=HANGS_AFTER_S)
    with Load(runtime.gateway.port) as load:
        (status,) = runtime.settle([servable(2, replicas=2)], timeout_s=HANGS_AFTER_S)
    assert status.serving == 2
    assert load.failures == {} and load.answers["m@1"] > 0 and load.answers["m@2"] > 0
    assert {name.split("@")[1][0] for name in records(place)} == {"2"}


def test_scaling_loses_no_request(runtime: ProcessRuntime, place: LocationFolders) -> None:
    runtime.settle([servable(1, replicas=1)], timeout_s=HANGS_AFTER_S)
    with Load(runtime.gateway.port) as load:
        for count in (3, 1, 2):
            runtime.settle([servable(1, replicas=count)], timeout_s=HANGS_AFTER_S)
            assert len(records(place)) == count
    assert load.failures == {} and load.answers["m@1"] > 0


def test_an_open_request_survives_the_switch(runtime: ProcessRuntime) -> None:
    runtime.settle([servable(1)], timeout_s=HANGS_AFTER_S)
    with Load(runtime.gateway.port, "/dev/m/slow", threads=2) as load:
        runtime.settle([servable(2)], timeout_s=HANGS_AFTER_S)
    assert load.failures == {} and load.answers["m@1"] >= 2


def test_a_broken_release_fails_and_the_old_one_keeps_serving(runtime: ProcessRuntime) -> None:
    runtime.settle([servable(1)], timeout_s=HANGS_AFTER_S)
    (status,) = runtime.settle([servable(2, broken=True)], timeout_s=HANGS_AFTER_S)
    assert status.state is EndpointState.FAILED and status.serving == 1
    assert "ValueError: the model cannot be loaded" in status.message
    assert ask(runtime.gateway.port, "/dev/m")[2]["name"] == "m@1"
    (status,) = runtime.settle([servable(1)], timeout_s=HANGS_AFTER_S)
    assert status.state is EndpointState.READY


def test_an_endpoint_that_is_not_wanted_ends(runtime: ProcessRuntime, place: LocationFolders) -> None:
    runtime.settle([servable(1), servable(1, model="n")], timeout_s=HANGS_AFTER_S)
    runtime.settle([servable(1)], timeout_s=HANGS_AFTER_S)
    assert ask(runtime.gateway.port, "/dev/n")[0] == 404
    assert ask(runtime.gateway.port, "/dev/m")[0] == 200
    assert len(records(place)) == 1


def test_converging_again_changes_nothing(runtime: ProcessRuntime, place: LocationFolders) -> None:
    servables = [servable(1, replicas=2)]
    runtime.settle(servables, timeout_s=HANGS_AFTER_S)
    before = records(place), {p: p.stat().st_mtime_ns for p in place.layout.root.rglob("*.json")}
    for _ in range(5):
        runtime.converge(servables)
    assert before == (records(place), {p: p.stat().st_mtime_ns for p in place.layout.root.rglob("*.json")})


def test_a_port_in_use_is_a_clear_error(place: LocationFolders) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        runtime = ProcessRuntime(place, port=port)
        with pytest.raises(PortInUseError) as caught:
            runtime.converge([])
    error = caught.value
    assert error.code == "location.port-in-use"
    assert str(port) in str(error) and f"process {os.getpid()}" in str(error) and "--gateway-port" in error.hint
    assert runtime.gateway.process.current() is None
    assert runtime.converge([]) == ()  # the port is free now
    runtime.stop()


@pytest.mark.faults
@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_killed_replica_under_load_loses_no_request(
    runtime: ProcessRuntime, place: LocationFolders, keep_alive: bool
) -> None:
    servables = [servable(1, replicas=2)]
    runtime.settle(servables, timeout_s=HANGS_AFTER_S)
    with Load(runtime.gateway.port, keep_alive=keep_alive) as load:
        for _ in range(3):
            os.kill(next(iter(records(place).values())), signal.SIGKILL)
            until(lambda: runtime.converge(servables)[0].replicas_ready < 2)
            until(lambda: runtime.converge(servables)[0].replicas_ready == 2)
    assert load.failures == {} and load.answers["m@1"] > 0


@pytest.mark.faults
def test_a_killed_envoy_is_started_again_with_what_it_served(runtime: ProcessRuntime) -> None:
    servables = [servable(1)]
    runtime.settle(servables, timeout_s=HANGS_AFTER_S)
    envoy = runtime.gateway.process.current()
    assert envoy
    os.kill(envoy.pid, signal.SIGKILL)
    envoy.wait(HANGS_AFTER_S)
    runtime.converge(servables)
    assert ask(runtime.gateway.port, "/dev/m")[2]["name"] == "m@1"


@pytest.mark.faults
def test_what_hangs_is_started_again(
    runtime: ProcessRuntime, place: LocationFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "WATCH_EVERY_S", 0.1)
    monkeypatch.setattr(gateway, "SILENT_FOR_S", 0.5)
    monkeypatch.setattr(supervision, "_PROBE_TIMEOUT_S", 0.3)
    runtime.gateway.process.admin = EnvoyAdmin(place.layout.admin_socket, timeout_s=0.3)
    servables = [servable(1)]
    runtime.settle(servables, timeout_s=HANGS_AFTER_S)
    (replica,), envoy = records(place).values(), runtime.gateway.process.current()
    assert envoy
    os.kill(replica, signal.SIGSTOP)
    until(lambda: runtime.converge(servables) and replica not in records(place).values())
    assert runtime.settle(servables, timeout_s=HANGS_AFTER_S)[0].state is EndpointState.READY
    os.kill(envoy.pid, signal.SIGSTOP)
    with pytest.raises(GatewayError):
        runtime.converge(servables)

    def serves_again() -> bool:
        try:
            runtime.converge(servables)
            return not envoy.alive() and ask(runtime.gateway.port, "/dev/m")[0] == 200
        except (GatewayError, OSError):  # it was not silent for long enough, or the next one is slow to start
            return False

    until(serves_again)


@pytest.mark.faults
def test_another_agent_adopts_what_runs(make_runtime: MakeRuntime, place: LocationFolders) -> None:
    first, servables = make_runtime(), [servable(1, replicas=2)]
    first.settle(servables, timeout_s=HANGS_AFTER_S)
    before, envoy = records(place), first.gateway.process.current()
    with Load(first.gateway.port) as load:
        second = make_runtime()
        (status,) = second.converge(servables)
    assert status.state is EndpointState.READY and load.failures == {}
    assert records(place) == before and second.gateway.process.current() == envoy


@pytest.mark.faults
def test_after_a_restart_of_the_machine_a_candidate_waits_for_the_stable_release(
    make_runtime: MakeRuntime, place: LocationFolders
) -> None:
    first, servables = make_runtime(), [servable(1), servable(2)]
    rollout = {"dev/m": Traffic({1: 9_999, 2: 1}, candidate=2)}
    first.settle(servables, rollout, timeout_s=HANGS_AFTER_S)
    envoy = first.gateway.process.current()
    assert envoy
    replicas = [each.process for each in ReplicaRecords(place.folder / "replicas") if each.process]
    for process in (*replicas, envoy):
        os.kill(process.pid, signal.SIGKILL)
    assert all(process.wait(HANGS_AFTER_S) for process in (*replicas, envoy))
    second = make_runtime()

    def passed() -> bool:
        try:
            return bool(second.converge(servables, rollout))
        except GatewayError:  # while the kernel still ends the killed Envoy; an agent tries again, too
            return False

    until(passed)
    stable = next(pid for slot, pid in records(place).items() if "m@1" in slot)
    os.kill(stable, signal.SIGSTOP)  # it is slow to start
    until(lambda: second.converge(servables, rollout)[1].replicas_ready == 1)
    with Load(second.gateway.port) as load:
        time.sleep(0.5)
        assert load.answers["m@2"] == 0
        os.kill(stable, signal.SIGCONT)
        until(lambda: second.converge(servables, rollout)[0].replicas_ready == 1)
        until(lambda: load.answers["m@1"] > 100)
    assert load.answers["m@2"] < 5


@pytest.mark.faults
def test_processes_without_a_record_are_ended_or_adopted(make_runtime: MakeRuntime, place: LocationFolders) -> None:
    first, servables = make_runtime(), [servable(1)]
    first.settle(servables, timeout_s=HANGS_AFTER_S)
    envoy = first.gateway.process.current()
    for path in [*(place.folder / "replicas").iterdir(), place.layout.root / "process.json"]:
        path.unlink()  # as if the agent had died between start and record
    second = make_runtime()
    (status,) = second.settle(servables, timeout_s=HANGS_AFTER_S)
    assert status.state is EndpointState.READY and ask(second.gateway.port, "/dev/m")[0] == 200
    assert second.gateway.process.current() == envoy
    assert len(list(tagged(TAG, str(place.folder)))) == 1


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["clusters", "routes", "listeners"])
@pytest.mark.parametrize("text", ["{ not json", '{"version_info": "x", "resources": [{"@type": "nothing"}]}'])
def test_a_damaged_file_is_refused_and_repaired(runtime: ProcessRuntime, kind: str, text: str, tmp_path: Path) -> None:
    servables = [servable(1)]
    runtime.settle(servables, timeout_s=HANGS_AFTER_S)
    layout, admin = runtime.gateway.layout, runtime.gateway.process.admin
    before = admin.accepted(kind)
    damaged = tmp_path / "damaged"
    damaged.write_text(text)
    damaged.replace(layout.file(kind))
    until(lambda: admin.accepted(kind).refused > before.refused)
    assert ask(runtime.gateway.port, "/dev/m")[2]["name"] == "m@1"  # the last good one serves
    runtime.converge(servables)
    assert text not in layout.file(kind).read_text()
    (status,) = runtime.settle([servable(2)], timeout_s=HANGS_AFTER_S)
    assert status.serving == 2 and ask(runtime.gateway.port, "/dev/m")[2]["name"] == "m@2"


def test_stop_leaves_nothing_behind(runtime: ProcessRuntime, place: LocationFolders) -> None:
    runtime.settle([servable(1, replicas=2)], timeout_s=HANGS_AFTER_S)
    runtime.stop()
    assert list(tagged(TAG, str(place.folder))) == [] and runtime.gateway.process.current() is None
    (status,) = runtime.settle([servable(1)], timeout_s=HANGS_AFTER_S)
    assert status.state is EndpointState.READY
