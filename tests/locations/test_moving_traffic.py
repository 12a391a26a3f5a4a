"""Releases that share an endpoint, against a real Envoy: what a request meets, and what its log line says of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from falaj.locations.accesslog import Access, AccessLog
from falaj.locations.desired import EndpointState, Servable
from falaj.locations.runtimes.process import gateway as gateway_module
from falaj.locations.runtimes.process.replica import ReplicaRecords
from falaj.locations.runtimes.process.runtime import Place, ProcessRuntime
from falaj.locations.traffic import Match, Traffic
from tests.locations.conftest import ask, free_port, servable, stub_command, until

pytestmark = pytest.mark.e2e

THREE = [servable(1), servable(2), servable(3)]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessRuntime]:
    """Three releases of one endpoint, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("location")
    runtime = ProcessRuntime(Place(folder / "location", folder / "logs"), port=free_port(), command=stub_command)
    runtime.adopt()
    runtime.settle(THREE, traffic_of({1: 10_000}), timeout_s=20)
    yield runtime
    runtime.stop()


def traffic_of(
    weights: Mapping[int, int], mirrors: Mapping[int, float] | None = None, **more: Any
) -> dict[str, Traffic]:
    return {"dev/m": Traffic(weights, mirrors or {}, **{"canary": 2, **more})}


def steer(runtime: ProcessRuntime, weights: Mapping[int, int], mirrors: Any = None, **more: Any) -> None:
    statuses = runtime.converge(THREE, traffic_of(weights, mirrors, **more))
    assert [status.state for status in statuses] == [EndpointState.READY] * len(THREE)
    time.sleep(0.02)  # Envoy has the routes; its workers take them a moment later


class Client:
    """One connection that asks and reads."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str = "/dev/m/v2", **headers: str) -> dict[str, Any]:
        """What the replica said that it got, and `status` and `release` of the answer."""
        self._connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = self._connection.getresponse()
        body = json.loads(answer.read() or b"{}")
        told = {"status": answer.status, "release": answer.getheader("falaj-release")}
        return {**body, **told, "id": answer.getheader("x-request-id")}

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(runtime: ProcessRuntime) -> Iterator[Client]:
    with closing(Client(runtime.gateway.port)) as client:
        yield client


@contextmanager
def asking(runtime: ProcessRuntime, threads: int = 2) -> Iterator[list[dict[str, Any]]]:
    """Answers of clients that ask without a pause; complete when the block has ended."""
    answers: list[dict[str, Any]] = []
    end = threading.Event()

    def ask_on() -> None:
        with closing(Client(runtime.gateway.port)) as client:
            while not end.is_set():
                answers.append(client.get())
                time.sleep(0.001)

    clients = [threading.Thread(target=ask_on) for _ in range(threads)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        end.set()
        for client in clients:
            client.join()


@pytest.fixture
def logged(runtime: ProcessRuntime) -> Iterator[Any]:
    """Waits for the log lines of some requests since the test began: by request id."""
    log = AccessLog(runtime.gateway.layout.access_log)
    start = log.end()

    def lines(ids: set[str]) -> dict[str, Access]:
        found: dict[str, Access] = {}

        def complete() -> bool:
            found.update({access.request_id: access for access in log.read(start)[0]})
            return ids <= found.keys()

        until(complete, timeout_s=5)
        return {name: found[name] for name in ids}

    return lines


def test_weights_are_obeyed_and_told(runtime: ProcessRuntime, client: Client, logged: Any) -> None:
    steer(runtime, {1: 7_500, 2: 2_000, 3: 500})
    answers = [client.get(falaj_arm="canary;w=1", falaj_unit="me") for _ in range(800)]
    for name, share in (("m@1", 0.75), ("m@2", 0.2), ("m@3", 0.05)):
        count, spread = sum(a["name"] == name for a in answers), (800 * share * (1 - share)) ** 0.5
        assert abs(count - 800 * share) < 5 * spread
    assert {(a["name"], a["arm"], a["unit"]) for a in answers} == {
        ("m@1", "stable;w=2000", None), ("m@2", "canary;w=2000", None), ("m@3", "stable;w=2000", None),
    }  # fmt: skip
    assert all(a["release"] == a["name"] for a in answers)
    lines = logged({a["id"] for a in answers})
    for a in answers:
        line = lines[a["id"]]
        assert f"m@{line.release}" == a["name"] and line.answered == line.release and line.weight == 2_000
        assert line.weights == {1: 7_500, 2: 2_000, 3: 500} and not line.forced and line.unit is None


def test_units_stay_and_move_one_way_only(runtime: ProcessRuntime, client: Client, logged: Any) -> None:
    units = [f"customer-{number}" for number in range(100)]
    owners: list[dict[str, str]] = []
    for weight in (0, 500, 2_500, 5_000, 10_000):
        steer(runtime, {1: 10_000 - weight, 2: weight}, sticky="X-Customer")
        answers = [{unit: client.get(x_customer=unit) for unit in units} for _ in range(2)]
        assert all(a["unit"] == unit for unit, a in answers[0].items())
        first, second = ({unit: a["name"] for unit, a in found.items()} for found in answers)
        assert first == second  # 0 units saw two releases
        owners.append(first)
    for before, after in pairwise(owners):
        assert all(after[unit] == "m@2" for unit in units if before[unit] == "m@2")
    counts = [sum(owner == "m@2" for owner in found.values()) for found in owners]
    assert counts[0] == 0 and counts[-1] == 100
    assert abs(counts[2] - 25) < 5 * (100 * 0.25 * 0.75) ** 0.5 and counts[1] < counts[2] < counts[3]
    last = client.get(x_customer="customer-0")
    assert logged({last["id"]})[last["id"]].unit == "customer-0"
    steer(runtime, {1: 5_000, 2: 5_000}, sticky="x-customer")
    assert len({client.get()["name"] for _ in range(30)}) == 2  # without a unit: at random


def test_a_mirror_gets_copies_of_the_same_id(runtime: ProcessRuntime, client: Client) -> None:
    copies = copies_of(runtime, "m@3")
    copies.unlink(missing_ok=True)
    steer(runtime, {1: 10_000}, {3: 1.0})
    answers = [client.get(Host="clients-shadow") for _ in range(50)]
    until(lambda: len(copies.read_text().splitlines()) >= 50)
    told = [json.loads(text) for text in copies.read_text().splitlines()]
    assert sorted(copy["request_id"] for copy in told) == sorted(a["id"] for a in answers)
    assert all(a["request_id"] == a["id"] for a in answers)
    assert {copy["host"] for copy in told} == {"falaj-shadow"} and {a["host"] for a in answers} == {"falaj"}
    assert {a["name"] for a in answers} == {"m@1"}
    steer(runtime, {1: 10_000}, {3: 0.2})
    copies.unlink()
    for _ in range(400):
        client.get()
    time.sleep(0.2)
    assert abs(len(copies.read_text().splitlines()) - 80) < 5 * (400 * 0.2 * 0.8) ** 0.5


def copies_of(runtime: ProcessRuntime, release: str) -> Path:
    folder = runtime.gateway.layout.root.parent / "replicas"
    slot = next(replica.slot for replica in ReplicaRecords(folder) if replica.slot.release == release)
    return Path(f"{slot.socket}.copies")


def test_a_mirror_that_hangs_costs_nothing(runtime: ProcessRuntime, client: Client) -> None:
    copies = copies_of(runtime, "m@3")

    def median_of_200() -> float:
        times = []
        for _ in range(200):
            started = time.perf_counter()
            assert client.get("/dev/m/hang")["status"] == 200
            times.append(time.perf_counter() - started)
        assert max(times) < 1.0
        return sorted(times)[100]

    steer(runtime, {1: 10_000})
    alone = median_of_200()
    copies.unlink(missing_ok=True)
    steer(runtime, {1: 10_000}, {3: 1.0})
    assert median_of_200() < 3 * alone
    assert len(copies.read_text().splitlines()) == 16  # the breaker; none was tried again
    steer(runtime, {1: 9_000, 3: 1_000})
    assert all(client.get()["status"] == 200 for _ in range(100))  # the hanging copies take no place of real requests


def test_requests_that_ask_for_a_release_get_it(runtime: ProcessRuntime, client: Client, logged: Any) -> None:
    steer(
        runtime, {1: 10_000}, {3: 1.0}, matches=(Match("query", "beta", "yes", 2), Match("header", "X-Group", "b", 3))
    )
    copies = copies_of(runtime, "m@3")
    copies.unlink(missing_ok=True)
    forced = [
        client.get(falaj_use_release="2"),
        client.get("/dev/m/v2?a=1&beta=yes"),
        client.get("/dev/m?beta=yes"),
        client.get(x_group="b", falaj_arm="canary;w=1"),
        client.get("/dev/m/v2?beta=yes", falaj_use_release="3"),
    ]
    assert [a["name"] for a in forced] == ["m@2", "m@2", "m@2", "m@3", "m@3"]
    assert {a["arm"] for a in forced} == {"forced"}
    plain = [client.get(falaj_use_release="9"), client.get("/dev/m/v2?beta=no")]
    assert {(a["name"], a["arm"]) for a in plain} == {("m@1", "stable;w=0")}
    lines = logged({a["id"] for a in (*forced, *plain)})
    assert [lines[a["id"]].arm for a in forced] == ["forced"] * 5 and lines[plain[0]["id"]].arm == "stable"
    until(lambda: len(copies.read_text().splitlines()) == 2)  # forced requests are not copied


def test_what_never_reached_a_route_says_nothing_of_an_arm(runtime: ProcessRuntime, logged: Any) -> None:
    code, headers, _ = ask(runtime.gateway.port, "/dev/other", headers={"falaj-arm": "canary;w=1", "falaj-unit": "x"})
    line = logged({headers["x-request-id"]})[headers["x-request-id"]]
    assert code == 404 and (line.arm, line.unit, line.endpoint) == (None, None, None)


@pytest.mark.faults
def test_200_weight_changes_under_load_lose_nothing_and_every_line_is_true(
    runtime: ProcessRuntime, logged: Any
) -> None:
    steer(runtime, {1: 10_000, 2: 0})  # from zero on, release 2 is a spare of release 1
    steer(runtime, {1: 9_999, 2: 1})
    clusters = runtime.gateway.layout.file("clusters").stat().st_ino
    with asking(runtime) as answers:
        for number in range(200):
            weight = 1 + (number * 37) % 9_998
            runtime.converge(THREE, traffic_of({1: 10_000 - weight, 2: weight}))
    assert {a["status"] for a in answers} == {200} and len(answers) > 200
    assert (
        runtime.gateway.layout.file("clusters").stat().st_ino == clusters
    )  # one file was written a change: the routes
    lines = logged({a["id"] for a in answers})
    assert len({line.weight for line in lines.values()}) > 100
    for a in answers:
        line = lines[a["id"]]
        assert a["arm"] == f"{line.arm};w={line.weight}" and a["name"] == f"m@{line.release}"


@pytest.mark.faults
def test_rotations_lose_no_line(runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "MAX_ACCESS_LOG_BYTES", 50_000)
    log = AccessLog(runtime.gateway.layout.access_log)
    position, found = log.end(), set()
    rotations, weight, deadline = 0, 0, time.monotonic() + 20
    with asking(runtime) as answers:
        while rotations < 3 and time.monotonic() < deadline:
            weight += 1
            runtime.converge(THREE, traffic_of({1: 10_000 - weight, 2: weight}))
            before = position.inode if position else 0
            accesses, position = log.read(position)
            rotations += position is not None and position.inode != before
            found |= {access.request_id for access in accesses}
    wanted = {a["id"] for a in answers}

    def complete() -> bool:
        nonlocal position
        accesses, position = log.read(position)
        found.update(access.request_id for access in accesses)
        return wanted <= found

    until(complete, timeout_s=5)
    assert rotations == 3 and position is not None and position.skipped == 0


@pytest.mark.faults
@pytest.mark.parametrize("victim", [2, 1])
def test_an_arm_whose_replicas_are_all_killed_loses_no_request(
    runtime: ProcessRuntime, logged: Any, victim: int
) -> None:
    steer(runtime, {1: 6_000, 2: 4_000})
    shared = traffic_of({1: 6_000, 2: 4_000})
    with asking(runtime) as answers:
        time.sleep(0.2)
        kill(runtime, victim)
        time.sleep(0.5)  # nobody has noticed yet: Envoy is alone
        until(lambda: runtime.converge(THREE, shared)[victim - 1].replicas_ready == 0)
        noticed = time.time()
        time.sleep(0.3)
        until(lambda: runtime.converge(THREE, shared)[victim - 1].replicas_ready == 1)
        time.sleep(0.2)
    assert {a["status"] for a in answers} == {200}
    lines = logged({a["id"] for a in answers})
    helped = [line for line in lines.values() if line.failed_over]
    assert helped and {(line.release, line.answered) for line in helped} == {(victim, 3 - victim)}
    later = [line for line in lines.values() if noticed + 0.05 < line.at < noticed + 0.3]
    assert {line.release for line in later} == {3 - victim}  # then the weights went to the other one
    names = {a["id"]: (a["name"], a["release"]) for a in answers}
    assert all(names[key] == (f"m@{line.answered}",) * 2 for key, line in lines.items())


@pytest.mark.faults
def test_a_replica_that_falls_leaves_its_requests_to_its_own_arm(runtime: ProcessRuntime, logged: Any) -> None:
    wanted, shared = [servable(1), servable(2, replicas=2), servable(3)], traffic_of({1: 5_000, 2: 5_000})
    until(lambda: runtime.converge(wanted, shared)[1].replicas_ready == 2)
    with asking(runtime) as answers:
        time.sleep(0.2)
        kill(runtime, 2, index=1)
        time.sleep(0.5)
    assert {a["status"] for a in answers} == {200}
    lines = logged({a["id"] for a in answers})
    assert any(line.attempts == 2 for line in lines.values()) and not any(line.failed_over for line in lines.values())
    runtime.settle(THREE, shared, timeout_s=20)


@pytest.mark.faults
def test_a_new_envoy_keeps_units_where_they_were(runtime: ProcessRuntime, client: Client) -> None:
    units = [f"customer-{number}" for number in range(60)]
    steer(runtime, {1: 5_000, 2: 4_000, 3: 1_000}, sticky="x-customer")
    before = {unit: client.get(x_customer=unit)["name"] for unit in units}
    client.close()
    runtime.gateway.process.kill()
    runtime.gateway.ensure()  # from what is on disk
    assert {unit: client.get(x_customer=unit)["name"] for unit in units} == before


def kill(runtime: ProcessRuntime, release: int, *, index: int | None = None) -> None:
    for replica in ReplicaRecords(runtime.gateway.layout.root.parent / "replicas"):
        if replica.slot.release == f"m@{release}" and replica.process and index in (None, replica.slot.index):
            os.kill(replica.process.pid, signal.SIGKILL)


def test_a_candidate_that_does_not_start_gets_nothing(runtime: ProcessRuntime, client: Client) -> None:
    broken: list[Servable] = [*THREE, servable(4, broken=True)]
    shared = {"dev/m": Traffic({1: 5_000, 4: 5_000}, canary=4)}
    until(lambda: runtime.converge(broken, shared)[3].message != "")
    answers = [client.get() for _ in range(50)]
    assert {(a["name"], a["arm"]) for a in answers} == {("m@1", "stable;w=0")}
