"""What holds requests, alone: their order, whoever goes away, a replica that falls, and bounds in bytes."""

from __future__ import annotations

import http.client
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from falaj.dataplane.runtimes.process.activator import Activator, HoldLimits
from tests.waiting import until

pytestmark = pytest.mark.integration
ARM = "dev/m@1.abc"


class Replica:
    """A replica that takes one connection after the other and writes down what came, in order."""

    def __init__(self, path: Path) -> None:
        self.path, self.targets = path, list[str]()
        targets = self.targets

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                targets.append(self.path)
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        self.server = socketserver.UnixStreamServer(str(path), Handler)
        self.server.socket.listen(128)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(tmp_path / "replica")
    yield replica
    replica.stop()


@pytest.fixture
def activator(tmp_path: Path) -> Iterator[Activator]:
    activator = Activator(tmp_path / "held", lambda: 0.0, HoldLimits(requests=50, body_bytes=1000, wait_s=1.0))
    yield activator
    activator.stop()


class Callers:
    """Those that ask the activator, each in a thread."""

    def __init__(self, path: str) -> None:
        self.path, self.answers, self._threads = path, dict[int, tuple[int, bytes]](), list[threading.Thread]()

    def ask(self, number: int, body: bytes) -> None:
        self._threads.append(threading.Thread(target=self._ask, args=(number, body)))
        self._threads[-1].start()

    def _ask(self, number: int, body: bytes) -> None:
        connection = UnixConnection(self.path)
        connection.request("POST", f"/{number}", body)
        answer = connection.getresponse()
        self.answers[number] = answer.status, answer.read()
        connection.close()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_requests_reach_the_replica_in_their_order_and_each_gets_its_answer(
    activator: Activator, replica: Replica
) -> None:
    callers = Callers(activator.listen(ARM))
    for number in range(40):
        callers.ask(number, f"body {number}".encode())
        until(lambda number=number: activator.waiting(ARM) == number + 1)
    assert replica.targets == []
    activator.hand_over(ARM, str(replica.path))
    callers.join()
    assert replica.targets == [f"/{number}" for number in range(40)]
    assert callers.answers == {number: (200, f"body {number}".encode()) for number in range(40)}
    callers.ask(40, b"later")
    callers.join()
    assert callers.answers[40] == (200, b"later")


def test_who_went_away_is_not_asked_for(activator: Activator, replica: Replica) -> None:
    path = activator.listen(ARM)
    leaver = UnixConnection(path)
    leaver.request("POST", "/gone", b"x")
    until(lambda: activator.waiting(ARM) == 1)
    leaver.close()
    callers = Callers(path)
    callers.ask(1, b"here")
    until(lambda: activator.waiting(ARM) == 2)
    activator.hand_over(ARM, str(replica.path))
    callers.join()
    assert replica.targets == ["/1"]


def test_a_replica_that_fell_before_the_hand_over_costs_no_request(
    activator: Activator, replica: Replica, tmp_path: Path
) -> None:
    callers = Callers(activator.listen(ARM))
    callers.ask(1, b"x")
    until(lambda: activator.waiting(ARM) == 1)
    activator.hand_over(ARM, str(tmp_path / "nobody"))
    until(lambda: activator.waiting(ARM) == 1)
    assert callers.answers == {}
    activator.hand_over(ARM, str(replica.path))
    callers.join()
    assert callers.answers == {1: (200, b"x")}


def test_bodies_are_bounded_together(activator: Activator, replica: Replica) -> None:
    callers = Callers(activator.listen(ARM))
    callers.ask(1, b"x" * 900)
    until(lambda: activator.waiting(ARM) == 1)
    callers.ask(2, b"x" * 101)
    until(lambda: 2 in callers.answers)
    assert callers.answers[2][0] == 503
    activator.hand_over(ARM, str(replica.path))
    callers.join()
    assert callers.answers[1] == (200, b"x" * 900)


def test_an_arm_that_is_forgotten_answers_what_waits(activator: Activator) -> None:
    path = activator.listen(ARM)
    callers = Callers(path)
    callers.ask(1, b"x")
    until(lambda: activator.waiting(ARM) == 1)
    activator.keep(set())
    callers.join()
    assert callers.answers[1][0] == 503 and not Path(path).exists() and activator.waiting(ARM) == 0


def test_a_wake_is_asked_for_with_the_first_request(activator: Activator) -> None:
    calls = threading.Event()
    activator.on_held = calls.set
    callers = Callers(activator.listen(ARM))
    assert not calls.is_set()
    callers.ask(1, b"x")
    assert calls.wait(600)
    activator.stop()
    callers.join()
