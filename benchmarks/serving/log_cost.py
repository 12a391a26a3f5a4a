"""What the prediction log costs a replica, with and without the facts of routing.

    python benchmarks/serving/log_cost.py [--rounds 3] [--requests 6000] [--connections 32]

The same packaged model (100-tree HistGradientBoosting, 20 numbers) served by a process each: without a log, with one,
with a sealed one; each asked without the gateway's headers and with them. What is compared is the CPU time of the
replica's process per answered request, which is the reciprocal of what one core can answer and does not depend on who
else uses the machine. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from throughput import HERE, Contender, free_port, payload, wait_answer

HEADERS = {"host": "falaj", "content-type": "application/json", "x-request-id": "0b7c1f0e-1111-4222-8333-444455556666"}
ROUTED = {"falaj-arm": "canary;w=500", "falaj-unit": "customer-7843"}
LOGS: Sequence[tuple[str, Sequence[str]]] = (("no log", ()), ("log", ("log",)), ("sealed log", ("sealed", "sealed")))


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port: int, request: bytes, count: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(count):
            connection.sendall(request)
            answer = connection.recv(1 << 16)
            while not answer.endswith(b"]}"):
                answer += connection.recv(1 << 16)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"the replica refused: {answer!r}")


def load(port: int, body: bytes, headers: dict[str, str], options: argparse.Namespace) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /invocations HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    each = options.requests // options.connections
    threads = [threading.Thread(target=ask, args=(port, request, each)) for _ in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=6_000)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        scratch = Path(folder)
        model, packaged = scratch / "model", scratch / "packaged"
        subprocess.run([sys.executable, str(HERE / "make_model.py"), str(model), str(packaged)], check=True)
        replicas = {}
        for name, log in LOGS:
            port = free_port()
            arguments = [str(scratch / log[0]), *log[1:]] if log else []
            command = [sys.executable, str(HERE / "replica_on_tcp.py"), str(port), str(packaged), *arguments]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            running.callback(process.wait)
            running.callback(process.terminate)
            wait_answer(Contender(name, command, port), payload(1))
            replicas[name] = process, port
        measure(replicas, options)


def measure(replicas: dict[str, tuple[subprocess.Popen[bytes], int]], options: argparse.Namespace) -> None:
    spent: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(options.rounds + 1):  # the first warms up
        for rows in (1, 32):
            for name, (process, port) in replicas.items():
                for kind, headers in (("plain", HEADERS), ("routed", HEADERS | ROUTED)):
                    before = cpu_s(process)
                    load(port, payload(rows), headers, options)
                    spent.setdefault((name, kind, rows), []).append(cpu_s(process) - before)
    medians = {key: statistics.median(each[1:]) for key, each in spent.items()}
    print("throughput of a core, no log = 1       1 row   32 rows")
    for name in replicas:
        for kind in ("plain", "routed"):
            ratios = [medians["no log", "plain", rows] / medians[name, kind, rows] for rows in (1, 32)]
            print(f"{name:12} {kind:24} {ratios[0]:8.2f} {ratios[1]:9.2f}")


if __name__ == "__main__":
    main()
