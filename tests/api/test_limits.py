"""One caller does not keep the others out: bodies, half requests, connections, logins, long polls."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from falaj.api import connections
from falaj.api.body_limit import MOST_BYTES, MOST_SIGNED_AT_ONCE, PUBLIC_BYTES
from falaj.api.password_queue import AT_ONCE, MAX_WAITING
from falaj.api.platform import Platform
from falaj.api.routers.locations import desired
from falaj.core.home import Home
from falaj.storage import EndpointRow
from tests.apps import app_of
from tests.servers import free_ports
from tests.waiting import HANGS_AFTER_S

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.integration]
JSON = {"content-type": "application/json"}
THREADS = 40  # of the pool that routes share
HALF = b"GET /api/v1/health HTTP/1.1\r\nhost: x\r\nx: "


@pytest.fixture
def port(platform: Platform) -> Iterator[int]:
    """A port at which the application answers, as `falaj platform server` serves it."""
    with served(app_of(platform)) as free_port:
        yield free_port
        platform.stopping.set()


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    free_port = free_ports(1)[0]
    server = uvicorn.Server(uvicorn.Config(app, port=free_port, lifespan="off", **connections.options()))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield free_port
    server.should_exit = True
    thread.join(30)


@contextmanager
def connected(port: int, request_bytes: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request_bytes)
        yield connection


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *lines, "", ""]).encode()


def status(connection: socket.socket) -> int:
    return int(connection.recv(4096).split(b" ")[1])


@pytest.mark.parametrize(
    ("path", "token", "expected"),
    [("/api/v1/auth/login", "", 413), ("/api/v1/projects", "", 413), ("/api/v1/projects", "wrong", 401)],
)
def test_a_large_body_of_nobody_is_refused_before_it_comes(port: int, path: str, token: str, expected: int) -> None:
    lines = [f"authorization: Bearer {token}"] if token else []
    declared = head(path, "content-type: application/json", "content-length: 4000000", *lines)
    with connected(port, declared) as connection:  # and not a byte of it
        assert status(connection) == expected


def test_a_body_whose_length_is_not_said_is_refused_while_it_comes(port: int) -> None:
    chunk = b"1000\r\n" + b"a" * 0x1000 + b"\r\n"
    begun = head("/api/v1/auth/login", "content-type: application/json", "transfer-encoding: chunked")
    with connected(port, begun + chunk * (PUBLIC_BYTES // 0x1000 + 1)) as connection:  # it never ends
        assert status(connection) == 413


SIGNED = "x-hub-signature-256: sha256=" + "0" * 64


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/api/v1/webhooks/github/p", []), ("/api/v1/webhooks/github/none", [SIGNED]),
        ("/api/v1/webhooks/github/p%00", [SIGNED]), ("/api/v1/webhooks/nohost/p", [SIGNED]),
        ("/api/v1/webhooks/gitlab/p", [SIGNED]), ("/api/v1/projects/p/events", []),
        ("/api/v1/projects/none/events", ["authorization: Bearer x"]),
    ],
)  # fmt: skip
def test_a_large_webhook_without_a_known_sender_is_refused_before_it_comes(
    port: int, client: TestClient, path: str, lines: list[str]
) -> None:
    client.post("/api/v1/projects", json={"name": "p", "repository": "https://git.example.org/p.git"})
    with connected(port, head(path, "content-length: 4000000", *lines)) as connection:
        assert status(connection) == 413


def test_a_few_large_webhooks_are_read_at_once(port: int, client: TestClient) -> None:
    client.post("/api/v1/projects", json={"name": "p", "repository": "https://git.example.org/p.git"})
    size = 2 * PUBLIC_BYTES
    begun = head("/api/v1/webhooks/github/p", SIGNED, f"content-length: {size}", "expect: 100-continue")
    with ExitStack() as stack:
        first = [stack.enter_context(connected(port, begun)) for _ in range(MOST_SIGNED_AT_ONCE)]
        assert [status(each) for each in first] == [100] * MOST_SIGNED_AT_ONCE  # each of them is being read
        with connected(port, begun) as one_more:
            answer = one_more.recv(65536)
            assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in answer
        for each in first:
            each.sendall(b"x" * size)
        assert [status(each) for each in first] == [401] * MOST_SIGNED_AT_ONCE  # read, and the signature is wrong
    with connected(port, begun) as later:
        assert status(later) == 100


def test_a_large_body_of_somebody_is_taken_up_to_a_bound(client: TestClient) -> None:
    large = json.dumps({"name": "p", "text": "x" * 2 * PUBLIC_BYTES}).encode()
    assert client.post("/api/v1/platform/plan", content=large, headers=JSON).json()["code"] == "platform.invalid"
    declared = {**JSON, "content-length": str(MOST_BYTES + 1)}
    assert client.post("/api/v1/platform/plan", content=large, headers=declared).status_code == 413


def test_half_requests_are_cut_off_and_who_waits_for_an_answer_is_not(
    port: int, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.5)
    monkeypatch.setattr(connections, "BODY_IDLE_S", 0.5)
    token = f"authorization: Bearer {platform.home.token}"
    half_body = head("/api/v1/auth/login", "content-type: application/json", "content-length: 9") + b"{"
    whole = head("/api/v1/health", method="GET")
    with connected(port, head("/api/v1/events", token, method="GET")) as follower:
        with connected(port, b"") as nothing, connected(port, HALF) as half, connected(port, half_body) as body:
            assert [each.recv(100) for each in (nothing, half, body)] == [b"", b"", b""]
        with connected(port, whole + HALF) as second:
            answer = second.recv(65536)
            while rest := second.recv(65536):
                answer += rest
            assert answer.count(b"HTTP/1.1 200") == 1
        client = TestClient(app_of(platform), headers={"authorization": f"Bearer {platform.home.token}"})
        client.post("/api/v1/projects", json={"name": "p", "repository": "/r"})
        client.post("/api/v1/runs", json={"project": "p", "commit": "1" * 40})
        received = b""
        while b"run.queued" not in received:
            received += follower.recv(65536)


def test_one_connection_too_many_is_answered_at_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    open_sockets = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(3)]
    for each in open_sockets:
        each.sendall(head("/api/v1/health", method="GET"))
        assert each.recv(65536).startswith(b"HTTP/1.1 200")
    with connected(port, b"") as last:
        answer = last.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer
    for each in open_sockets:
        each.close()


def test_a_full_queue_of_logins_refuses_at_once_and_the_api_answers(client: TestClient, platform: Platform) -> None:
    release = threading.Event()
    places = AT_ONCE + MAX_WAITING

    async def fill_and_ask() -> int:
        waiting = [asyncio.create_task(platform.password_queue.run(release.wait)) for _ in range(places)]
        await asyncio.sleep(0)
        answer = await asyncio.to_thread(client.post, "/api/v1/auth/login", json={"name": "a", "password": "x" * 20})
        assert (answer.status_code, answer.json()["code"]) == (503, "identity.busy")
        health = await asyncio.to_thread(client.get, "/api/v1/health")
        release.set()
        await asyncio.gather(*waiting)
        assert int(answer.headers["retry-after"]) == 1
        return health.status_code

    assert asyncio.run(fill_and_ask()) == 200
    assert client.post("/api/v1/auth/login", json={"name": "a", "password": "x" * 20}).status_code == 401


def test_health_is_told_although_every_thread_is_taken(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    release, waiting = threading.Event(), threading.Semaphore(0)

    def proof(_home: Home, _nonce: str) -> str:
        waiting.release()
        release.wait(HANGS_AFTER_S)
        return ""

    monkeypatch.setattr(Home, "proof", proof)
    with ExitStack() as stack:
        for _ in range(THREADS):
            stack.enter_context(connected(port, head(f"/api/v1/installation?nonce={'0' * 32}", method="GET")))
        assert all(waiting.acquire(timeout=HANGS_AFTER_S) for _ in range(THREADS))
        with connected(port, head("/api/v1/health", method="GET")) as connection:
            connection.settimeout(HANGS_AFTER_S / 2)
            assert status(connection) == 200
        release.set()


def test_long_polls_hold_no_thread_and_all_hear_of_news(platform: Platform) -> None:
    async def poll() -> set[int]:
        before = (await desired("local", platform))["version"]
        polls = [asyncio.create_task(desired("local", platform, after=before)) for _ in range(300)]
        while len(platform.version_feed._polling.waiters) < len(polls):
            await asyncio.sleep(0.01)
        assert sum(thread.name == "versions" for thread in threading.enumerate()) == 1
        with platform.database.transaction() as session:
            session.add(
                EndpointRow(
                    location="local", environment="dev", model="m", release=1, version=7, plan={"withdrawn": True},
                    status={}, updated_at=1.0,
                )
            )  # fmt: skip
        return {answer["version"] for answer in await asyncio.gather(*polls)}

    assert asyncio.run(poll()) == {7}
    platform.stopping.set()
