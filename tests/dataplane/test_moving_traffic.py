"""Releases that share an endpoint, against a real Envoy: what a request meets, and what its log line says of it."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from falaj.dataplane.access_log import Access, AccessLog
from falaj.dataplane.desired_state import EndpointState, Servable
from falaj.dataplane.runtimes.process import gateway
from falaj.dataplane.runtimes.process.envoy.clusters import MAX_COPIES
from falaj.dataplane.runtimes.process.replica import ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import HeaderMatch, Traffic
from tests.dataplane.conftest import ask, free_port, servable, stub_command
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.locations, pytest.mark.e2e]

THREE = [servable(1), servable(2), servable(3)]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessRuntime]:
    """Three releases of one endpoint, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("location")
    runtime = ProcessRuntime(
        LocationFolders(folder / "location", folder / "logs"), port=free_port(), command=stub_command
    )
    runtime.adopt()
    runtime.settle(THREE, traffic_of({1: 10_000}), timeout_s=HANGS_AFTER_S)
    yield runtime
    runtime.stop()


def traffic_of(
    weights: Mapping[int, int], mirrors: Mapping[int, float] | None = None, **more: Any
) -> dict[str, Traffic]:
    return {"dev/m": Traffic(weights, mirrors or {}, **{"candidate": 2, **more})}


class Client:
    """One connection that asks and reads."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_AFTER_S)

    def get(self, path: str = "/dev/m/v2", **headers: str) -> dict[str, Any]:
        """What the replica said that it got, and `status` and `release` of the answer."""
        self._connection.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = self._connection.getresponse()
        body = json.loads(answer.read() or b"{}")
        reply_facts = {"status": answer.status, "release": answer.getheader("falaj-release")}
        return {**body, **reply_facts, "id": answer.getheader("x-request-id")}

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(runtime: ProcessRuntime) -> Iterator[Client]:
    with closing(Client(runtime.gateway.port)) as client:
        yield client


_steered = itertools.count()


def steer(
    runtime: ProcessRuntime, client: Client, weights: Mapping[int, int], mirrors: Any = None,
    matches: tuple[HeaderMatch, ...] = (), **more: Any,
) -> None:  # fmt: skip
    """Share the requests, and wait until the client meets it: Envoy's workers take routes a moment after it has them.

    Only the routes of this call force a request that names its number.
    """
    number = str(next(_steered))
    forced = HeaderMatch("header", "x-steered", number, min(weights))
    statuses = runtime.converge(THREE, traffic_of(weights, mirrors, matches=(*matches, forced), **more))
    assert [status.state for status in statuses] == [EndpointState.READY] * len(THREE)
    until(lambda: client.get(x_steered=number)["arm"] == "forced")


@contextmanager
def asking(runtime: ProcessRuntime, threads: int = 2) -> Iterator[list[dict[str, Any]]]:
    """Answers of clients that ask without a pause, each at least once; complete when the block has ended."""
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
        until(lambda: len(answers) >= threads)
        yield answers
    finally:
        end.set()
        for client in clients:
            client.join()


class Logged:
    """The log lines of requests since the test began."""

    def __init__(self, log: AccessLog) -> None:
        self._log, self._start = log, log.end()

    def __call__(self, ids: set[str]) -> dict[str, Access]:
        """Those of some requests by their id, when all are there."""
        lines = until(lambda: answers if (answers := self.so_far()).keys() >= ids else None)
        return {name: lines[name] for name in ids}

    def so_far(self) -> dict[str, Access]:
        return {access.request_id: access for access in self._log.read(self._start)[0]}

    def until(self, holds: Callable[[Access], bool]) -> None:
        """Wait for a line of which something holds."""
        until(lambda: any(map(holds, self.so_far().values())))


@pytest.fixture
def logged(runtime: ProcessRuntime) -> Logged:
    return Logged(AccessLog(runtime.gateway.layout.access_log))


def test_weights_are_obeyed_and_told(runtime: ProcessRuntime, client: Client, logged: Logged) -> None:
    steer(runtime, client, {1: 7_500, 2: 2_000, 3: 500})
    answers = [client.get(falaj_arm="candidate;w=1", falaj_unit="me") for _ in range(800)]
    for name, share in (("m@1", 0.75), ("m@2", 0.2), ("m@3", 0.05)):
        count, spread = sum(a["name"] == name for a in answers), (800 * share * (1 - share)) ** 0.5
        assert abs(count - 800 * share) < 5 * spread
    assert {(a["name"], a["arm"], a["unit"]) for a in answers} == {
        ("m@1", "stable;w=2000", None), ("m@2", "candidate;w=2000", None), ("m@3", "stable;w=2000", None),
    }  # fmt: skip
    assert all(a["release"] == a["name"] for a in answers)
    lines = logged({a["id"] for a in answers})
    for a in answers:
        line = lines[a["id"]]
        assert f"m@{line.release}" == a["name"] and line.answered == line.release and line.weight == 2_000
        assert line.weights == {1: 7_500, 2: 2_000, 3: 500} and not line.forced and line.unit is None


def test_units_stay_and_move_one_way_only(runtime: ProcessRuntime, client: Client, logged: Logged) -> None:
    units = [f"customer-{number}" for number in range(100)]
    owners: list[dict[str, str]] = []
    for weight in (0, 500, 2_500, 5_000, 10_000):
        steer(runtime, client, {1: 10_000 - weight, 2: weight}, sticky="X-Customer")
        answers = [{unit: client.get(x_customer=unit) for unit in units} for _ in range(2)]
        assert all(a["unit"] == unit for unit, a in answers[0].items())
        first, second = ({unit: a["name"] for unit, a in by_unit.items()} for by_unit in answers)
        assert first == second  # 0 units saw two releases
        owners.append(first)
    for before, after in pairwise(owners):
        assert all(after[unit] == "m@2" for unit in units if before[unit] == "m@2")
    counts = [sum(owner == "m@2" for owner in by_unit.values()) for by_unit in owners]
    assert counts[0] == 0 and counts[-1] == 100
    assert abs(counts[2] - 25) < 5 * (100 * 0.25 * 0.75) ** 0.5 and counts[1] < counts[2] < counts[3]
    last = client.get(x_customer="customer-0")
    assert logged({last["id"]})[last["id"]].unit == "customer-0"
    steer(runtime, client, {1: 5_000, 2: 5_000}, sticky="x-customer")
    assert len({client.get()["name"] for _ in range(30)}) == 2  # without a unit: at random


def test_a_mirror_gets_copies_of_the_same_id(runtime: ProcessRuntime, client: Client) -> None:
    steer(runtime, client, {1: 10_000}, {3: 1.0})
    answers = [client.get(Host="clients-shadow") for _ in range(50)]
    copies = copies_of(runtime, answers)
    until(lambda: len(copies()) >= 50)
    assert sorted(copy["request_id"] for copy in copies()) == sorted(a["id"] for a in answers)
    assert all(a["request_id"] == a["id"] for a in answers)
    assert {copy["host"] for copy in copies()} == {"falaj-shadow"} and {a["host"] for a in answers} == {"falaj"}
    assert {a["name"] for a in answers} == {"m@1"}


def test_a_mirror_gets_its_share(runtime: ProcessRuntime, client: Client) -> None:
    steer(runtime, client, {1: 10_000}, {3: 0.2})
    copies = copies_of(runtime, [client.get() for _ in range(400)])
    steer(runtime, client, {1: 10_000}, {3: 1.0})
    last = copies_of(runtime, [client.get()])
    until(last)  # nothing that was asked before is still on its way
    assert abs(len(copies()) - 80) < 5 * (400 * 0.2 * 0.8) ** 0.5


def copies_of(runtime: ProcessRuntime, answers: list[dict[str, Any]]) -> Callable[[], list[dict[str, Any]]]:
    """What release 3 was sent of some requests."""
    file, ids = copies_file(runtime), {answer["id"] for answer in answers}

    def copies() -> list[dict[str, Any]]:
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [
            copy for copy in (json.loads(line) for line in lines if line.endswith("\n")) if copy["request_id"] in ids
        ]

    return copies


def copies_file(runtime: ProcessRuntime) -> Path:
    """Where release 3 writes the copies that it gets."""
    folder = runtime.gateway.layout.root.parent / "replicas"
    slot = next(replica.slot for replica in ReplicaRecords(folder) if replica.slot.release == "m@3")
    return Path(f"{slot.socket}.copies")


@contextmanager
def hanging(runtime: ProcessRuntime) -> Iterator[None]:
    """Copies of requests for `/hang` wait until the block has ended."""
    go = Path(f"{copies_file(runtime)}.go")
    go.unlink(missing_ok=True)
    try:
        yield
    finally:
        go.touch()


def test_a_mirror_that_hangs_costs_nothing(runtime: ProcessRuntime, client: Client) -> None:
    steer(runtime, client, {1: 10_000}, {3: 1.0})
    with hanging(runtime):
        answers = [client.get("/dev/m/hang") for _ in range(200)]  # none waits for its copy
        assert {a["status"] for a in answers} == {200}
        copies = copies_of(runtime, answers)
        until(copies)
        assert len({copy["request_id"] for copy in copies()}) == len(copies()) <= MAX_COPIES  # none was tried again
        assert runtime.copies("dev/m", 3)[1] == 0  # what was not copied, the release did not fail
        steer(runtime, client, {1: 9_000, 3: 1_000})
        assert all(client.get()["status"] == 200 for _ in range(100))  # copies take no place of real requests


def test_requests_that_ask_for_a_release_get_it(runtime: ProcessRuntime, client: Client, logged: Logged) -> None:
    steer(
        runtime,
        client,
        {1: 10_000},
        {3: 1.0},
        matches=(HeaderMatch("query", "beta", "yes", 2), HeaderMatch("header", "X-Group", "b", 3)),
    )
    forced = [
        client.get(falaj_use_release="2"),
        client.get("/dev/m/v2?a=1&beta=yes"),
        client.get("/dev/m?beta=yes"),
        client.get(x_group="b", falaj_arm="candidate;w=1"),
        client.get("/dev/m/v2?beta=yes", falaj_use_release="3"),
    ]
    assert [a["name"] for a in forced] == ["m@2", "m@2", "m@2", "m@3", "m@3"]
    assert {a["arm"] for a in forced} == {"forced"}
    plain = [client.get(falaj_use_release="9"), client.get("/dev/m/v2?beta=no")]
    assert {(a["name"], a["arm"]) for a in plain} == {("m@1", "stable;w=0")}
    lines = logged({a["id"] for a in (*forced, *plain)})
    assert [lines[a["id"]].arm for a in forced] == ["forced"] * 5 and lines[plain[0]["id"]].arm == "stable"
    until(lambda: len(copies_of(runtime, plain)()) == 2)
    assert copies_of(runtime, forced)() == []


def test_what_never_reached_a_route_says_nothing_of_an_arm(runtime: ProcessRuntime, logged: Logged) -> None:
    code, headers, _ = ask(
        runtime.gateway.port, "/dev/other", headers={"falaj-arm": "candidate;w=1", "falaj-unit": "x"}
    )
    line = logged({headers["x-request-id"]})[headers["x-request-id"]]
    assert code == 404 and (line.arm, line.unit, line.endpoint) == (None, None, None)


@pytest.mark.faults
def test_200_weight_changes_under_load_lose_nothing_and_every_line_is_true(
    runtime: ProcessRuntime, client: Client, logged: Logged
) -> None:
    steer(runtime, client, {1: 10_000, 2: 0})  # from zero on, release 2 is a spare of release 1
    steer(runtime, client, {1: 9_999, 2: 1})
    clusters = runtime.gateway.layout.file("clusters").stat().st_ino
    changes = 0
    with asking(runtime) as answers:
        while changes < 200 or len({a["arm"] for a in tuple(answers)}) < 200:  # each weight has two arms
            weight = 1 + (changes * 37) % 9_998
            runtime.converge(THREE, traffic_of({1: 10_000 - weight, 2: weight}))
            changes += 1
    assert {a["status"] for a in answers} == {200}
    assert (
        runtime.gateway.layout.file("clusters").stat().st_ino == clusters
    )  # one file was written a change: the routes
    lines = logged({a["id"] for a in answers})
    for a in answers:
        line = lines[a["id"]]
        assert a["arm"] == f"{line.arm};w={line.weight}" and a["name"] == f"m@{line.release}"


@pytest.mark.faults
def test_rotations_lose_no_line(runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "MAX_ACCESS_LOG_BYTES", 50_000)
    log = AccessLog(runtime.gateway.layout.access_log)
    position, logged_ids = log.end(), set()
    rotations = weight = 0

    def rotated() -> bool:
        nonlocal position, rotations, weight
        weight = (weight + 1) % 10_000
        runtime.converge(THREE, traffic_of({1: 10_000 - weight, 2: weight}))
        before = position.inode if position else 0
        accesses, position = log.read(position)
        rotations += position is not None and position.inode != before
        logged_ids.update(access.request_id for access in accesses)
        return rotations >= 3

    def complete() -> bool:
        nonlocal position
        accesses, position = log.read(position)
        logged_ids.update(access.request_id for access in accesses)
        return {a["id"] for a in answers} <= logged_ids

    with asking(runtime) as answers:
        until(rotated)
    until(complete)
    assert position is not None and position.skipped == 0


@pytest.mark.faults
@pytest.mark.parametrize("victim", [2, 1])
def test_an_arm_whose_replicas_are_all_killed_loses_no_request(
    runtime: ProcessRuntime, client: Client, logged: Logged, victim: int
) -> None:
    steer(runtime, client, {1: 6_000, 2: 4_000})
    shared, other = traffic_of({1: 6_000, 2: 4_000}), 3 - victim
    with asking(runtime) as answers:
        logged.until(lambda line: line.release == victim)
        kill(runtime, victim)
        logged.until(lambda line: line.failed_over)  # nobody has noticed yet: Envoy is alone
        until(lambda: runtime.converge(THREE, shared)[victim - 1].replicas_ready == 0)
        logged.until(lambda line: not (line.weights or {}).get(victim))  # the weights went to the other one
        until(lambda: runtime.converge(THREE, shared)[victim - 1].replicas_ready == 1)
        back = time.time()
        logged.until(lambda line: line.at > back and line.answered == victim)
    assert {a["status"] for a in answers} == {200}
    lines = logged({a["id"] for a in answers})
    helped = [line for line in lines.values() if line.failed_over]
    assert {line.release for line in helped} == {victim}
    assert other in {line.answered for line in helped}  # the spare may help as well when that one is slow to connect
    assert all(line.release == other for line in lines.values() if not (line.weights or {}).get(victim))
    names = {a["id"]: (a["name"], a["release"]) for a in answers}
    assert all(names[key] == (f"m@{line.answered}",) * 2 for key, line in lines.items())


@pytest.mark.faults
def test_a_replica_that_falls_leaves_its_requests_to_its_own_arm(runtime: ProcessRuntime, logged: Logged) -> None:
    servables, shared = [servable(1), servable(2, replicas=2), servable(3)], traffic_of({1: 5_000, 2: 5_000})
    until(lambda: runtime.converge(servables, shared)[1].replicas_ready == 2)
    with asking(runtime) as answers:
        kill(runtime, 2, index=1)
        logged.until(lambda line: line.attempts == 2)
    assert {a["status"] for a in answers} == {200}
    assert not any(line.failed_over for line in logged({a["id"] for a in answers}).values())
    runtime.settle(THREE, shared, timeout_s=HANGS_AFTER_S)


@pytest.mark.faults
def test_a_new_envoy_keeps_units_where_they_were(runtime: ProcessRuntime, client: Client) -> None:
    units = [f"customer-{number}" for number in range(60)]
    steer(runtime, client, {1: 5_000, 2: 4_000, 3: 1_000}, sticky="x-customer")
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
    shared = {"dev/m": Traffic({1: 5_000, 4: 5_000}, candidate=4)}
    until(lambda: runtime.converge(broken, shared)[3].message != "")
    answers = [client.get() for _ in range(50)]
    assert {(a["name"], a["arm"]) for a in answers} == {("m@1", "stable;w=0")}
