"""A process runtime with stand-in replicas, and a load that counts failures."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from falaj.core.home import Home
from falaj.dataplane.callers import Admittance, CallerTrust, EndpointCallers
from falaj.dataplane.desired_state import DesiredEndpoint, Servable
from falaj.dataplane.runtimes.process.replica import ReplicaOptions
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.supply_chain.artifacts.digest import parse_digest
from falaj.supply_chain.certificates.names import own_caller
from falaj.trust.pki.caller_tokens import open_caller_key
from tests.waiting import HANGS_AFTER_S, until

STUB = Path(__file__).with_name("stub_replica.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stub_command(options: ReplicaOptions, *extra: str) -> list[str]:
    endpoint = options.servable.endpoint
    flags = ["--crash"] if endpoint.digest.endswith("dead") else []
    name = f"{endpoint.model}@{endpoint.release}"
    return [sys.executable, str(STUB), "--socket", str(options.socket), "--name", name, *flags, *extra]


def own_people(home: Home, *endpoints: str) -> Admittance:
    """The installation's own people may bring labels to its endpoints, as everywhere."""
    entry = CallerTrust(open_caller_key(home.keys).jwks)
    return Admittance(entry, {each: EndpointCallers(None, (own_caller(each),)) for each in endpoints})


def servable(release: int = 1, *, replicas: int = 1, model: str = "m", broken: bool = False) -> Servable:
    tail = "dead" if broken else f"{release:04x}"
    digest = parse_digest("sha256:" + "0" * 60 + tail)
    return Servable(DesiredEndpoint("dev", model, release, digest, replicas), Path("/nowhere"))


@pytest.fixture
def place(tmp_path: Path) -> LocationFolders:
    return LocationFolders(tmp_path / "location", tmp_path / "logs")


MakeRuntime = Callable[[], ProcessRuntime]


@pytest.fixture
def make_runtime(place: LocationFolders) -> Iterator[MakeRuntime]:
    """Makes runtimes of the same place and port, as restarted agents do; ends everything afterwards."""
    port = free_port()

    def make() -> ProcessRuntime:
        runtime = ProcessRuntime(place, port=port, command=stub_command)
        runtime.adopt()
        return runtime

    yield make
    ProcessRuntime(place, port=port).stop()


@pytest.fixture
def runtime(make_runtime: MakeRuntime) -> ProcessRuntime:
    return make_runtime()


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS_AFTER_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


class Load:
    """Threads that ask without a pause and count what they get: the name that answered, or the failure."""

    def __init__(self, port: int, path: str = "/dev/m/v2", *, threads: int = 4, keep_alive: bool = True) -> None:
        self._port, self._path, self._keep_alive = port, path, keep_alive
        self._end = threading.Event()
        self._counts = [Counter[str]() for _ in range(threads)]
        self._threads = [threading.Thread(target=self._ask, args=(counts,)) for counts in self._counts]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self._until_each_answered(1)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._until_each_answered(2)  # the second was asked for after what the block did
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _until_each_answered(self, more: int) -> None:
        """Wait until each thread had so many answers, or failures, more than now."""
        before = [counts.total() for counts in self._counts]
        until(lambda: all(counts.total() >= n + more for counts, n in zip(self._counts, before, strict=True)))

    @property
    def answers(self) -> Counter[str]:
        return sum(self._counts, Counter())

    @property
    def failures(self) -> dict[str, int]:
        return {what: count for what, count in self.answers.items() if what.startswith("!")}

    def _ask(self, counts: Counter[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=HANGS_AFTER_S)
        while not self._end.is_set():
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                body = answer.read()
                counts[json.loads(body)["name"] if answer.status == 200 else f"!{answer.status} {body[:200]!r}"] += 1
            except (OSError, ValueError, http.client.HTTPException) as error:
                counts[f"!{error!r}"] += 1
                connection.close()
            if not self._keep_alive:
                connection.close()
        connection.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Any]:
    """An agent between a control plane and Envoy; see `agent_scene`."""
    from tests.dataplane.agent_scene import scene_in

    yield from scene_in(tmp_path)
