"""What answers at the server's address is not always a server of Falaj in good health."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from falaj.core.home import Home
from falaj.sdk import Client, ProblemError, ServerUnreachableError
from falaj.sdk.http import NotUpError, Transport
from falaj.storage import ReleaseRow
from tests.platforms import Served

pytestmark = pytest.mark.integration


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A program on loopback that says this to whoever connects, and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def test_a_token_is_sent_to_its_own_installation_alone(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Home(tmp_path / "mine", {}).prepare()
    mine.save_ports(served.home.ports())  # as where this one failed to start, and the other has the port
    with (
        watching(monkeypatch) as outgoing_requests,
        pytest.raises(NotUpError, match="this installation is not up") as caught,
    ):
        Client.from_home(mine).runs()
    assert (outgoing_requests, caught.value.exit_code) == ([("/api/v1/installation", None)], 6)
    with watching(monkeypatch) as outgoing_requests:
        Client.from_home(served.home).runs()
    assert outgoing_requests == [("/api/v1/installation", None), ("/api/v1/runs", f"Bearer {served.home.token}")]


def test_a_server_that_is_named_is_sent_a_token_of_its_own_and_never_that_of_another_home(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"FALAJ_SERVER": served.home.server_url, "FALAJ_CREDENTIALS": str(tmp_path / "credentials")}
    with watching(monkeypatch) as outgoing_requests, pytest.raises(ProblemError, match="no valid token"):
        Client.from_home(Home(tmp_path / "mine", named).prepare()).runs()
    assert outgoing_requests == [("/api/v1/installation", None), ("/api/v1/runs", None)]
    token = {"FALAJ_TOKEN": served.home.token}
    assert Client.from_home(Home(tmp_path / "mine", named | token)).runs()


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str | None]]]:
    """Remember path and token of the requests that are sent."""
    outgoing_requests: list[tuple[str, str | None]] = []
    request = HTTPConnection.request

    def remember(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **others: Any) -> None:
        outgoing_requests.append((url.partition("?")[0], (headers or {}).get("Authorization")))
        request(self, method, url, body, headers or {}, **others)

    with monkeypatch.context() as patched:
        patched.setattr(HTTPConnection, "request", remember)
        yield outgoing_requests


def http(status: str, body: bytes, kind: str = "text/html", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("status", "exit_code"), [(400, 2), (401, 2), (404, 3), (409, 4), (422, 5), (503, 6), (500, 1), (418, 1)]
)
def test_a_status_ends_a_command_with_its_exit_code(status: int, exit_code: int) -> None:
    document = b'{"title": "so it is", "code": "some.code", "where": "here", "hint": "do this"}'
    with saying(http(f"{status} Some", document)) as url, pytest.raises(ProblemError, match="so it is") as caught:
        Client(url, "").health()
    error = caught.value
    assert (error.exit_code, error.code, error.where, error.hint) == (exit_code, "some.code", "here", "do this")


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"[1, 2]", b'"oh"', b"\xff\xfe", b""])
def test_a_refusal_that_is_no_problem_document_is_still_an_error(body: bytes) -> None:
    with saying(http("502 Bad Gateway", body)) as url, pytest.raises(ProblemError) as caught:
        Client(url, "").health()
    assert (caught.value.status, caught.value.code) == (502, "http.502")
    assert caught.value.message


def test_a_server_that_hangs_up_is_unreachable() -> None:
    with saying(b"") as url, pytest.raises(ServerUnreachableError):
        Client(url, "").health()


def test_a_server_that_does_not_answer_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ServerUnreachableError):
            Transport(url, "", timeout_s=0.05).json("GET", "/api/v1/health")


def end_of(call: str, url: str) -> str:
    """How a call of a client ends in a Python of its own: the name of the FalajError, or what Python printed."""
    program = f"""
from falaj.sdk import Client
from falaj.core.errors import FalajError
try:
    {call}
except FalajError as error:
    print(type(error).__name__, end="")
"""
    program = program.replace("URL", repr(url))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return ended.stdout or ended.stderr


def test_a_call_that_ends_in_an_error_in_words_is_told_from_one_that_does_not() -> None:
    with saying(b"") as url:
        assert end_of("Client(URL, '').projects()", url) == "ServerUnreachableError"


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.9\r\n", http("200 OK", b"<html>hello</html>"), http("200 OK", b"{}", length=100)],
    ids=["no HTTP", "no JSON", "cut off"],
)
def test_another_program_at_the_address_is_an_error_in_words(answer: bytes) -> None:
    with saying(answer) as url:
        assert end_of("Client(URL, '').projects()", url).endswith("Error")


def test_a_stream_that_is_cut_off_is_an_error_in_words() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    with saying(head + b"40\r\n: still here\n\n") as url:
        assert end_of("list(Client(URL, '').events())", url).endswith("Error")


def test_a_list_is_followed_page_by_page_and_no_further_than_asked(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.platform.database.transaction() as session:
        session.add_all(
            ReleaseRow(
                model="pages", number=number, project="pages", run_id=f"run-{number}", commit="2" * 40,
                digest="sha256:aa", state="candidate", data={}, created_at=float(number),
            )
            for number in range(1, 8)
        )  # fmt: skip
    monkeypatch.setattr("falaj.sdk.http._PAGE_ROWS", 3)
    client = Client.from_home(served.home)
    assert [each.number for each in client.releases("pages")] == [7, 6, 5, 4, 3, 2, 1]
    with watching(monkeypatch) as outgoing_requests:
        assert [each.number for each in client.releases("pages", limit=4)] == [7, 6, 5, 4]
    assert len(outgoing_requests) == 2
