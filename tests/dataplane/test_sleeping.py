"""Endpoints that sleep, behind a real Envoy: the first requests wait for a replica, and none is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.dataplane.desired_state import EndpointState, EndpointStatus, ReplicaRange, Servable
from falaj.dataplane.runtimes.process.activator import HoldLimits
from falaj.dataplane.runtimes.process.replica import ReplicaOptions, ReplicaRecords
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.dataplane.traffic_split import Traffic
from tests.dataplane.conftest import ask, free_port, servable, stub_command
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.clusters]
IDLE_S, WAIT_S = 90_000.0, 36_000.0


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Sleeper:
    """A runtime with one endpoint that may sleep, and a thread that does its passes."""

    def __init__(self, place: LocationFolders, hold: HoldLimits, slow_start: Path | None = None) -> None:
        self.clock, self.port = Clock(), free_port()
        self.place = place
        command = _gated(slow_start) if slow_start else stub_command
        self.runtime = ProcessRuntime(place, port=self.port, command=command, clock=self.clock, hold=hold)
        self.runtime.adopt()
        self.servables: list[Servable] = [sleepy()]
        self.traffic: dict[str, Traffic] = {}
        self.statuses: tuple[EndpointStatus, ...] = ()
        self._end, self.passes = threading.Event(), 0
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._end.is_set():
            self.statuses = self.runtime.converge(self.servables, self.traffic)
            self.passes += 1
            self.clock.now += 0.05  # draining takes a second of this clock
            self._end.wait(0.02)

    def __enter__(self) -> Sleeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.runtime.stop()

    def after_passes(self, count: int = 3) -> None:
        before = self.passes
        until(lambda: self.passes >= before + count)

    @property
    def processes(self) -> int:
        return sum(r.process is not None for r in ReplicaRecords(self.place.folder / "replicas"))

    def awake(self) -> None:
        until(lambda: [each.replicas_ready for each in self.statuses] == [1])

    def sleep(self) -> None:
        self.awake()
        self.after_passes()
        self.clock.now += IDLE_S
        until(lambda: self.processes == 0)
        self.after_passes()


def _gated(gate: Path):
    """A replica that is ready only once a file is there."""
    import sys

    lines = (
        "import os,sys,time",
        "while not os.path.exists(sys.argv[1]): time.sleep(0.02)",
        "os.execv(sys.argv[2], sys.argv[2:])",
    )
    wait = "\n".join(lines)

    def command(options: ReplicaOptions) -> list[str]:
        return [sys.executable, "-c", wait, str(gate), *stub_command(options)]

    return command


def sleepy(release: int = 1, most: int = 4) -> Servable:
    plain = servable(release)
    return replace(plain, endpoint=replace(plain.endpoint, scale=ReplicaRange(0, most, IDLE_S)))


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def sleeper(place: LocationFolders, gate: Path) -> Iterator[Sleeper]:
    gate.touch()
    with Sleeper(place, HoldLimits(requests=100, wait_s=WAIT_S), gate) as sleeper:
        yield sleeper


def asked_at_once(sleeper: Sleeper, count: int) -> tuple[list[threading.Thread], list[tuple[int, dict[str, str]]]]:
    answers: list[tuple[int, dict[str, str]]] = []

    def one(number: int) -> None:
        status, headers, _ = ask(sleeper.port, "/dev/m/infer", "POST", b"x" * number)
        answers.append((status, headers))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def waiting_count(sleeper: Sleeper) -> int:
    arms = sleeper.runtime.gateway.table().arms
    return sum(sleeper.runtime.activator.waiting(arm) for arm in arms)


def test_a_hundred_requests_at_once_from_zero_are_all_answered(sleeper: Sleeper, gate: Path) -> None:
    sleeper.sleep()
    assert sleeper.statuses[0].state is EndpointState.READY and sleeper.statuses[0].replicas_ready == 0
    assert sleeper.statuses[0].message == "asleep"
    gate.unlink()
    threads, answers = asked_at_once(sleeper, 100)
    until(
        lambda: waiting_count(sleeper) == 100,
        lambda: f"{waiting_count(sleeper)} held, {Counter(s for s, _ in answers)}",
    )
    assert answers == []
    gate.touch()
    for thread in threads:
        thread.join()
    assert Counter(status for status, _ in answers) == {200: 100}
    assert {headers["falaj-release"] for _, headers in answers} == {"m@1"}
    until(lambda: sleeper.processes == 1)
    sleeper.sleep()  # and again
    assert ask(sleeper.port, "/dev/m/v2")[0] == 200


def test_what_is_beyond_the_bound_or_waits_too_long_gets_503_with_retry_after(sleeper: Sleeper, gate: Path) -> None:
    sleeper.sleep()
    gate.unlink()
    threads, answers = asked_at_once(sleeper, 100)
    until(lambda: waiting_count(sleeper) == 100)
    status, headers, problem = ask(sleeper.port, "/dev/m/v2")
    assert (status, headers["retry-after"], problem["code"]) == (503, "5", "endpoint.waking-full")
    sleeper.clock.now += WAIT_S / 2
    sleeper.after_passes()
    assert answers == []
    until(lambda: waiting_count(sleeper) == 100)
    sleeper.clock.now += WAIT_S / 2
    until(lambda: waiting_count(sleeper) < 100 or len(answers) > 0)
    gate.touch()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} <= {200, 503} and len(answers) == 100


def test_nothing_sleeps_in_a_rollout_and_a_new_release_wakes(sleeper: Sleeper) -> None:
    sleeper.awake()
    sleeper.servables = [sleepy(1), sleepy(2)]
    sleeper.traffic = {"dev/m": Traffic({1: 9000, 2: 1000}, candidate=2)}
    until(lambda: len(sleeper.statuses) == 2 and all(s.replicas_ready == 1 for s in sleeper.statuses))
    sleeper.clock.now += 10 * IDLE_S
    sleeper.after_passes(5)
    assert sleeper.processes == 2 and ask(sleeper.port, "/dev/m/v2")[0] == 200
    sleeper.servables, sleeper.traffic = [sleepy(2)], {}
    until(lambda: sleeper.processes == 1)
    sleeper.sleep()
    sleeper.servables = [sleepy(3)]
    until(lambda: sleeper.statuses[0].release == 3 and sleeper.statuses[0].replicas_ready == 1)
    assert ask(sleeper.port, "/dev/m/v2")[2]["name"] == "m@3"


def test_a_load_starts_more_replicas_and_only_its_end_takes_them_away(place: LocationFolders) -> None:
    with Sleeper(place, HoldLimits()) as sleeper:
        sleeper.awake()
        threads = [threading.Thread(target=ask, args=(sleeper.port, "/dev/m/slow")) for _ in range(160)]
        for thread in threads:
            thread.start()
        until(lambda: sleeper.processes == 2)
        for thread in threads:
            thread.join()
        sleeper.clock.now += 299.0
        sleeper.after_passes()
        assert sleeper.processes == 2
        sleeper.clock.now += 2.0
        until(lambda: sleeper.processes == 1)


def test_a_restarted_agent_wakes_what_slept(place: LocationFolders) -> None:
    with Sleeper(place, HoldLimits()) as first:
        first.sleep()
        first.runtime.activator.stop()
        again = ProcessRuntime(place, port=first.port, command=stub_command, clock=first.clock)
        first.runtime = again
        until(lambda: first.processes == 1)
        assert ask(first.port, "/dev/m/v2")[0] == 200
