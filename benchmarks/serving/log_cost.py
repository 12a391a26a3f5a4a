"""What the prediction log costs a replica, with and without the facts of routing.

    python benchmarks/serving/log_cost.py [--rounds 8] [--requests 1600] [--connections 32]

The same packaged model (100-tree HistGradientBoosting, 20 numbers) served by a process each: without a log, with one,
with a sealed one; each asked without the gateway's headers and with them. What is compared is the CPU time of the
replica's process per answered request, which is the reciprocal of what one core can answer. Rounds are interleaved, and
of each the cheapest counts: what others do on the machine only adds.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from throughput import HERE, Contender, free_port, payload, wait_answer

from falaj.dataplane.model_server.origin import origins
from falaj.dataplane.prediction_log import LogWriter, SegmentHeader, new_log_key
from falaj.supply_chain.encryption import DataKey

HEADERS = {"host": "falaj", "content-type": "application/json", "x-request-id": "0b7c1f0e-1111-4222-8333-444455556666"}
ROUTED = {"falaj-arm": "candidate;w=500", "falaj-unit": "customer-7843"}
LOGS: Sequence[tuple[str, Sequence[str]]] = (("no log", ()), ("log", ("log",)), ("sealed log", ("sealed", "sealed")))


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of all threads that live, to the nanosecond."""
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


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


def record_cost(*, sealed: bool, routed: bool, batch: int = 16) -> float:
    """CPU seconds of one record of 20 numbers in a batch, with what the headers cost."""
    header = SegmentHeader("m@1", "bench/m", tuple(f"x{index}" for index in range(20)), 0)
    key = new_log_key(DataKey("00" * 16, "default", bytes(32)), header.owner) if sealed else None
    origin = origins("bench/m")
    headers = HEADERS | ROUTED if routed else HEADERS
    rows, outputs = [tuple(index + 0.5 for index in range(20))], {"label": [1], "probabilities": [[0.3, 0.7]]}
    with tempfile.TemporaryDirectory() as folder:
        log = LogWriter(Path(folder), header, time.time_ns, key=key)

        def once() -> None:
            facts = [origin(headers, 1.0).facts(1.001) if routed else () for _ in range(batch)]
            log.write([(HEADERS["x-request-id"], 1, rows, outputs, *([each] if each else ())) for each in facts])

        return min(timed(once, 200) for _ in range(40)) / batch


def timed(once: Callable[[], None], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        once()
    return (time.process_time() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=1_600)
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
    least = {key: min(each[1:]) / options.requests for key, each in spent.items()}
    print("CPU time of a replica a request, over that without a log and headers    1 row   32 rows")
    for name in replicas:
        for kind in ("plain", "routed"):
            ratios = [least[name, kind, rows] / least["no log", "plain", rows] for rows in (1, 32)]
            print(f"{name:12} {kind:58} {ratios[0]:6.2f} {ratios[1]:9.2f}")
    print("a record by itself, as a share of a request of 1 row without a log")
    for sealed in (False, True):
        plain, routed = (
            record_cost(sealed=sealed, routed=each) / least["no log", "plain", 1] for each in (False, True)
        )
        print(f"{'sealed' if sealed else 'in the clear':12} {plain:.3f}; with facts of routing {routed:.3f}")


if __name__ == "__main__":
    main()
