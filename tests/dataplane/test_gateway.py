"""The gateway against a real Envoy: many switches, and tables that it must refuse."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.dataplane.errors import ConfigRejectedError
from falaj.dataplane.runtimes.process import gateway as gateway_module
from falaj.dataplane.runtimes.process.envoy import config
from falaj.dataplane.runtimes.process.gateway import Gateway
from falaj.dataplane.runtimes.process.routing import TOTAL_WEIGHT, Arm, Route, RoutingTable
from falaj.dataplane.runtimes.process.runtime import LocationFolders
from tests.dataplane.conftest import STUB, Load, ask, free_port
from tests.waiting import HANGS_AFTER_S, until

pytestmark = pytest.mark.e2e


def table_of(*arms: Arm, live: str) -> RoutingTable:
    return RoutingTable({arm.name: arm for arm in arms}, {"dev/m": Route("dev/m", {live: TOTAL_WEIGHT})})


@pytest.fixture
def gateway(place: LocationFolders) -> Iterator[Gateway]:
    gateway = Gateway(place.layout, place.logs / "envoy.log", port=free_port(), node_id="test")
    place.sockets.mkdir(parents=True)
    gateway.ensure()
    yield gateway
    gateway.process.stop()
    shutil.rmtree(place.sockets, ignore_errors=True)


@pytest.fixture
def arms(place: LocationFolders, gateway: Gateway) -> Iterator[tuple[Arm, Arm]]:
    new_arms, processes = [], []
    for number in (1, 2):
        socket = place.sockets / f"{number}.sock"
        command = [sys.executable, str(STUB), "--socket", str(socket), "--name", f"m@{number}"]
        processes.append(subprocess.Popen(command))
        until(socket.exists)
        new_arms.append(Arm(f"dev/m@{number}", f"m@{number}", (str(socket),)))
    yield new_arms[0], new_arms[1]
    for process in processes:
        process.kill()
        process.wait()


def send(port: int, data: bytes) -> bytes:
    """The first line of what is answered to bytes, after which the gateway closes or the sender does."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS_AFTER_S) as connection:
        connection.sendall(data)
        return connection.recv(65_536).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"GET /dev/m HTTP/1.1\r\nhost: a\r\n", b"200"),
        (b"GET /dev/m HTTP/1.1\r\nhost: a\r\nhost: b\r\n", b"400"),
        (b"GET /dev/m HTTP/1.1\r\nhost: a\r\nx: y\r\nHOST: a\r\n", b"400"),
        (b"GET /dev/m HTTP/1.1\r\nhost: a,b\r\n", b"400"),
        (b"GET /dev/m HTTP/1.1\r\n", b"400"),
        (b"GET /dev/m HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 1_000_000 + b"\r\n", b"431"),
        (b"POST /dev/m HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 5\r\n", b"400"),
        (b"POST /dev/m HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n", b"400"),
        (b"POST /dev/m HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity, chunked\r\n", b"501"),
        (b"POST /dev/m HTTP/1.1\r\nhost: a\r\ncontent-length : 5\r\n", b"400"),
        (b"PRI * HTTP/2.0\r\n", b"400"),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_refused(
    gateway: Gateway, arms: tuple[Arm, Arm], head: bytes, answer: bytes
) -> None:
    gateway.apply(table_of(arms[0], live=arms[0].name))
    assert send(gateway.port, head + b"\r\n").split(b" ")[1:2] == [answer]


def test_a_caller_chooses_neither_retries_nor_limits_of_time(
    gateway: Gateway, arms: tuple[Arm, Arm], place: LocationFolders
) -> None:
    gateway.apply(table_of(arms[0], live=arms[0].name))
    own = {
        "x-envoy-upstream-rq-timeout-ms": "1", "x-envoy-upstream-rq-per-try-timeout-ms": "1",
        "x-envoy-retry-on": "5xx,retriable-4xx,retriable-status-codes", "x-envoy-retriable-status-codes": "200,400",
        "x-envoy-max-retries": "200", "x-envoy-original-path": "/other", "x-envoy-internal": "true",
    }  # fmt: skip
    assert ask(gateway.port, "/dev/m/slow", headers=own)[0] == 200
    until(lambda: "/dev/m/slow" in place.layout.access_log.read_text())
    (line,) = place.layout.access_log.read_text().splitlines()
    assert json.loads(line)["attempts"] == 1


def test_a_request_that_never_ends_does(
    place: LocationFolders, gateway: Gateway, arms: tuple[Arm, Arm], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.apply(table_of(arms[0], live=arms[0].name))
    monkeypatch.setattr(config, "REQUEST_TIMEOUT_S", 1)
    moved = Gateway(place.layout, place.logs / "envoy.log", port=free_port(), node_id="test")
    moved.ensure()
    short = b"POST /dev/m HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhello"
    assert send(moved.port, short) == b"HTTP/1.1 408 Request Timeout"


@pytest.mark.faults
def test_200_switches_under_load_lose_no_request(gateway: Gateway, arms: tuple[Arm, Arm]) -> None:
    tables = [table_of(arm, live=arm.name) for arm in arms]
    gateway.apply(tables[0])
    with Load(gateway.port) as load:
        for number in range(200):
            gateway.apply(tables[(number + 1) % 2])
    assert load.failures == {}
    assert load.answers["m@1"] > 50 and load.answers["m@2"] > 50
    assert gateway.table() == tables[0]


def test_a_switch_is_in_force_when_apply_returns(gateway: Gateway, arms: tuple[Arm, Arm]) -> None:
    for arm in (*arms, *arms):
        gateway.apply(table_of(*arms, live=arm.name))
        assert gateway.process.admin.hosts().keys() == {"dev/m@1", "dev/m@2"}
        until(lambda name=arm.release: ask(gateway.port, "/dev/m")[2]["name"] == name)


@pytest.mark.parametrize("what", ["clusters", "routes"])
def test_a_refused_table_leaves_the_last_good_one(gateway: Gateway, arms: tuple[Arm, Arm], what: str) -> None:
    good = table_of(arms[0], live=arms[0].name)
    gateway.apply(good)
    bad = {
        "clusters": table_of(dataclasses.replace(arms[1], sockets=("/" + "x" * 200,)), live=arms[1].name),
        "routes": RoutingTable(good.arms, {"dev/m": Route("dev/m", {arms[0].name: -1})}),
    }[what]
    with pytest.raises(ConfigRejectedError) as caught:
        gateway.apply(bad)
    assert caught.value.code == "location.config-rejected"
    assert what in str(caught.value) and caught.value.hint
    assert ask(gateway.port, "/dev/m")[2]["name"] == "m@1"
    assert gateway.table() == good
    gateway.process.stop()
    gateway.ensure()  # starts from the files on disk
    assert ask(gateway.port, "/dev/m")[2]["name"] == "m@1"
    gateway.apply(table_of(arms[1], live=arms[1].name))
    until(lambda: ask(gateway.port, "/dev/m")[2]["name"] == "m@2")


def test_the_port_can_be_changed_while_it_serves(
    gateway: Gateway, arms: tuple[Arm, Arm], place: LocationFolders
) -> None:
    gateway.apply(table_of(arms[0], live=arms[0].name))
    moved = Gateway(place.layout, place.logs / "envoy.log", port=free_port(), node_id="test")
    moved.ensure()
    assert moved.process.current() == gateway.process.current()
    assert ask(moved.port, "/dev/m")[2]["name"] == "m@1"
    assert Path(place.layout.file("listeners")).read_text().count("edge-") == 1


def test_the_access_log_does_not_grow_without_end(
    gateway: Gateway, arms: tuple[Arm, Arm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "MAX_ACCESS_LOG_BYTES", 100)
    log = gateway.layout.access_log
    gateway.apply(table_of(arms[0], live=arms[0].name))
    ask(gateway.port, "/dev/m")
    until(lambda: log.stat().st_size > 100)
    gateway.apply(table_of(arms[1], live=arms[1].name))
    ask(gateway.port, "/dev/m")
    until(lambda: log.exists() and '"release":2' in log.read_text())
    assert '"release":1' in log.with_name(f"{log.name}.1").read_text() and '"release":1' not in log.read_text()
