"""How long `/health` takes while a whole fleet is at the server, and while nobody is.

    python benchmarks/security/fleet.py HOME

HOME is an installation that is up. Agents poll for their desired state, people follow events, passwords are tried by
the hundred, and connections stay half open, all at once. `/health` is asked on a fresh connection each time, in turns
with a server of a few lines in this process: the machine's own noise is in both, and their ratio says what the platform
adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

AGENTS, STREAMS, LOGINS, HALF_OPEN = 1_000, 300, 150, 200
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Target:
    """The server of an installation, and what its owner may show."""

    port: int
    token: str

    def request(self, method: str, path: str, body: bytes = b"", *, authorized: bool = True) -> bytes:
        """One request, after which the server ends the connection."""
        lines = [f"{method} {path} HTTP/1.1", "host: x", "connection: close", f"content-length: {len(body)}"]
        lines += [f"authorization: Bearer {self.token}"] if authorized else []
        lines += ["content-type: application/json"] if body else []
        return "\r\n".join([*lines, "", ""]).encode() + body


async def answered(port: int, request: bytes) -> tuple[str, float, bytes]:
    """Status, seconds and body of an answer."""
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
    except OSError as error:
        return type(error).__name__, time.perf_counter() - began, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head[9:12].decode(), time.perf_counter() - began, body


async def bare_server() -> tuple[asyncio.Server, int]:
    """What any server in Python needs at least to answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    return server, int(server.sockets[0].getsockname()[1])


async def probe(target: Target, bare_port: int, rounds: int) -> tuple[list[float], list[float], Counter[str]]:
    """Ask for `/health` and the bare server in turns."""
    health, bare, statuses = [], [], Counter[str]()
    request = target.request("GET", "/api/v1/health", authorized=False)
    for _ in range(rounds):
        status, seconds, _ = await answered(target.port, request)
        health.append(seconds)
        statuses[status] += 1
        bare.append((await answered(bare_port, request))[1])
        await asyncio.sleep(0.1)
    return health, bare, statuses


async def fleet(target: Target, statuses: Counter[str], until: asyncio.Event) -> None:
    """Everybody at once, and again when their answers came, until the end."""
    _, _, body = await answered(target.port, target.request("GET", "/api/v1/locations/local/desired"))
    desired = target.request("GET", f"/api/v1/locations/local/desired?after={json.loads(body)['version']}")
    events = target.request("GET", "/api/v1/events?after=9007199254740991")
    login = target.request(
        "POST", "/api/v1/auth/login", b'{"name": "nobody", "password": "' + b"x" * 20 + b'"}', authorized=False
    )

    async def again(kind: str, request: bytes) -> None:
        while not until.is_set():
            status, _, _ = await answered(target.port, request)
            statuses[f"{kind} {status}"] += 1
            await asyncio.sleep(1.0 if status == "503" else 0.0)  # as the answer asks for

    async def half_open() -> None:
        while not until.is_set():
            status, _, _ = await answered(target.port, b"GET /api/v1/health HTTP/1.1\r\nhost: x\r\nx: ")
            statuses[f"half open, cut off {status}"] += 1

    crowd = [again("poll", desired) for _ in range(AGENTS)] + [again("stream", events) for _ in range(STREAMS)]
    crowd += [again("login", login) for _ in range(LOGINS)] + [half_open() for _ in range(HALF_OPEN)]
    tasks = [asyncio.create_task(each) for each in crowd]
    await until.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def shown(name: str, health: list[float], bare: list[float], statuses: Counter[str]) -> None:
    """One line of the report."""
    ratio = statistics.median(health) / statistics.median(bare)
    worst = sorted(health)[-max(1, len(health) // 20)]
    print(
        f"{name}: /health median {statistics.median(health) * 1e3:.0f} ms, 95% below {worst * 1e3:.0f} ms, longest "
        f"{max(health) * 1e3:.0f} ms; bare server median {statistics.median(bare) * 1e3:.0f} ms, longest "
        f"{max(bare) * 1e3:.0f} ms; ratio of medians {ratio:.1f}; {dict(statuses)}"
    )


async def measure(target: Target, rounds: int, settle_s: float) -> None:
    """Alone first, then with the fleet, then alone again."""
    server, bare_port = await bare_server()
    shown("alone", *await probe(target, bare_port, rounds))
    statuses, until = Counter[str](), asyncio.Event()
    crowd = asyncio.create_task(fleet(target, statuses, until))
    shown("while the fleet arrives", *await probe(target, bare_port, rounds))
    await asyncio.sleep(settle_s)
    shown("with the fleet", *await probe(target, bare_port, rounds))
    until.set()
    await crowd
    print("the fleet was answered:", dict(statuses))
    await asyncio.sleep(2)
    shown("afterwards", *await probe(target, bare_port, rounds))
    server.close()


def main() -> int:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--settle", type=float, default=30.0, help="seconds in which the fleet gets into its stride")
    arguments = parser.parse_args()
    port = json.loads((arguments.home / "ports.json").read_text())["server"]
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    asyncio.run(
        measure(Target(port, (arguments.home / "token").read_text().strip()), arguments.rounds, arguments.settle)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
