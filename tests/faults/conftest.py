from __future__ import annotations

import socketserver
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from tests.e2e.installation import Installation, installed

STEPS = 5


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all: what is killed must come back well enough for the next test."""
    with installed(tmp_path_factory.mktemp("faults") / "home") as instance:
        yield instance


@pytest.fixture
def reported(tmp_path: Path) -> Iterator[int]:
    """A port where steps report their executions, since they write nowhere; it answers once nothing holds them."""
    (tmp_path / "marks").mkdir()

    class Mark(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            number = self.rfile.readline().decode().strip()
            with (tmp_path / "marks" / number).open("a") as marks:
                marks.write("x")
            while (tmp_path / f"hold-{number}").exists():
                time.sleep(0.05)
            with suppress(OSError):  # the step may have been killed
                self.wfile.write(b"go\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mark) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        (tmp_path / "hold-1").unlink(missing_ok=True)
        server.shutdown()


@pytest.fixture
def slow_project(installation: Installation, tmp_path: Path, reported: int) -> Path:
    """Five chained steps; each reports its executions and leaves a process in its own session."""
    folder = tmp_path / "slow"
    (folder / "src" / "slow").mkdir(parents=True)
    (folder / "src" / "slow" / "__init__.py").touch()
    (folder / "src" / "slow" / "steps.py").write_text(
        dedent(
            f"""
            import socket, subprocess, time

            def work(number: int, before: int | None = None) -> int:
                with socket.create_connection(("127.0.0.1", {reported})) as marks:
                    marks.sendall(f"{{number}}\\n".encode())
                    subprocess.Popen(["sleep", "300"], start_new_session=True)
                    time.sleep(0.6)
                    marks.recv(3)
                return number

            def first(number: int) -> int:
                return work(number)

            def later(before: int, number: int) -> int:
                return work(number, before)
            """
        )
    )
    lines = ["model: slow", "owner: a@example.org", "pipeline:"]
    own = "network: true, files: [src/slow/steps.py]"
    lines += [f"  s0: {{run: 'slow.steps:first', params: {{number: 0}}, {own}}}"]
    lines += [
        f"  s{n}: {{run: 'slow.steps:later', inputs: [s{n - 1}], params: {{number: {n}}}, {own}}}"
        for n in range(1, STEPS)
    ]
    (folder / "falaj.yaml").write_text("\n".join(lines) + "\n")
    return installation.repository(folder, f"slow-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    return tmp_path / "marks"
