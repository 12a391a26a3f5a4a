"""Real repositories, and a real HTTP server on loopback that remembers what it was sent."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from falaj.core.home import Home
from tests.waiting import HANGS_AFTER_S

AUTHOR = {
    "GIT_AUTHOR_NAME": "Amal Saif",
    "GIT_AUTHOR_EMAIL": "amal@example.org",
    "GIT_AUTHOR_DATE": "2026-01-01T08:00:00+04:00",
    "GIT_COMMITTER_NAME": "Amal Saif",
    "GIT_COMMITTER_EMAIL": "amal@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass(frozen=True)
class Checkout:
    """A checkout to commit in and push from."""

    path: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        process = subprocess.run(
            ["git", *arguments], cwd=self.path, env=os.environ | AUTHOR, capture_output=True, text=True, check=False
        )
        assert not check or process.returncode == 0, process.stderr
        return (process.stdout + process.stderr).strip()

    def commit(self, text: str) -> str:
        (self.path / "file.txt").write_text(text)
        self.git("add", "file.txt")
        self.git("commit", "--quiet", "-m", text)
        return self.git("rev-parse", "HEAD")


@dataclass
class Receiver:
    """An HTTP server on loopback."""

    server: HTTPServer
    home: Home
    answers: list[int] = field(default_factory=list)
    body: bytes = b"{}"
    location: str = ""
    questions: list[dict[str, str]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=HANGS_AFTER_S), "nothing was sent"


@pytest.fixture
def receiver(home: Home) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status_receiver.questions.append(dict(self.headers))
            content = json.dumps({"proof": status_receiver.home.proof(self.path.rpartition("=")[2])}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status_receiver.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status_receiver.answers.pop(0) if status_receiver.answers else 200)
            if status_receiver.location:
                self.send_header("Location", status_receiver.location)
            self.send_header("Content-Length", str(len(status_receiver.body)))
            self.end_headers()
            self.wfile.write(status_receiver.body)
            status_receiver.arrived.release()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        status_receiver = Receiver(server, home)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield status_receiver
        server.shutdown()
        thread.join()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    path = tmp_path / "checkout"
    path.mkdir()
    working_copy = Checkout(path)
    working_copy.git("init", "--quiet", "--initial-branch=main")
    return working_copy


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home", {}).prepare()
