"""Throughput of the model server beside a bare HTTP server and MLflow's scoring server, in interleaved rounds.

    python benchmarks/serving/throughput.py [--rounds 3] [--seconds 3] [--connections 32] [--mlflow-python PYTHON]

Same model (100-tree HistGradientBoosting, 20 numbers), same payload, one process each, load from `wrk` on the same
machine. Ratios are what to read; absolute figures belong to the machine. `--mlflow-python` is the Python of an
environment with the full `mlflow`, scikit-learn and uvicorn; without it that row is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """A server under load: its name, command, and where it listens."""

    name: str
    command: Sequence[str]
    port: int
    path: str = "/invocations"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def contenders(model: Path, packaged: Path, scratch: Path, mlflow_python: str | None) -> list[Contender]:
    replica = str(HERE / "replica_on_tcp.py")
    contender_list = []
    for name, folder, log in (
        ("falaj onnx", packaged, None),
        ("falaj onnx, log", packaged, scratch / "log"),
        ("falaj onnx, sealed log", packaged, scratch / "sealed"),
        ("falaj sklearn", model, None),
    ):
        port = free_port()
        command = [sys.executable, replica, str(port), str(folder), *([str(log), log.name] if log else [])]
        contender_list.append(Contender(name, command, port))
    port = free_port()
    contender_list.append(Contender("granian hello", [sys.executable, str(HERE / "hello.py"), str(port)], port))
    if mlflow_python:
        port = free_port()
        serve = ["-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local", "--workers", "1"]
        contender_list.append(Contender("mlflow models serve", [mlflow_python, *serve, "-p", str(port)], port))
    return contender_list


def wait_answer(contender: Contender, body: bytes, timeout_s: float = 120.0) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{contender.port}{contender.path}", body, {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=5) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{contender.name} did not answer")


def load(contender: Contender, script: Path, connections: int, seconds: int) -> tuple[float, float]:
    """Requests per second and p99 in milliseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(script)]
    ended = subprocess.run(
        [*command, f"http://127.0.0.1:{contender.port}{contender.path}"], capture_output=True, text=True, check=True
    )
    if "Non-2xx" in ended.stdout:
        raise SystemExit(f"{contender.name}: {ended.stdout}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", ended.stdout)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", ended.stdout).groups()  # type: ignore[union-attr]
    return rate, float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def payload(rows: int) -> bytes:
    names = [f"x{index}" for index in range(20)]
    data = [[(7 * row + 3 * column) % 11 / 10 for column in range(20)] for row in range(rows)]
    return json.dumps({"dataframe_split": {"columns": names, "data": data}}).encode()


def lua(scratch: Path, rows: int) -> Path:
    script = scratch / f"post-{rows}.lua"
    header = 'wrk.headers["Content-Type"] = "application/json"'
    script.write_text(f'wrk.method = "POST"\nwrk.body = [==[{payload(rows).decode()}]==]\n{header}\n')
    return script


def measure(contender_list: Sequence[Contender], scratch: Path, options: argparse.Namespace) -> None:
    for rows in (1, 32):
        script = lua(scratch, rows)
        results: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in contender_list}
        for _ in range(options.rounds):
            for contender in contender_list:
                results[contender.name].append(load(contender, script, options.connections, options.seconds))
        report(rows, results)


def report(rows: int, results: dict[str, list[tuple[float, float]]]) -> None:
    medians = {name: tuple(map(statistics.median, zip(*runs, strict=True))) for name, runs in results.items()}
    base = medians.get("mlflow models serve", medians["falaj sklearn"])[0]
    print(f"\n{rows} row(s)                req/s   ratio   of hello   p99 ms")
    for name, (rate, p99) in medians.items():
        print(f"{name:22} {rate:9.0f} {rate / base:7.1f} {rate / medians['granian hello'][0]:9.2f} {p99:9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--mlflow-python")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("this benchmark needs the load generator `wrk` (Debian package wrk)")
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        scratch = Path(folder)
        model, packaged = scratch / "model", scratch / "packaged"
        subprocess.run([sys.executable, str(HERE / "make_model.py"), str(model), str(packaged)], check=True)
        contender_list = contenders(model, packaged, scratch, options.mlflow_python)
        for contender in contender_list:
            programs = Path(contender.command[0]).parent  # `mlflow models serve` looks for its server on the path
            environ = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(contender.command, stdout=quiet, stderr=quiet, env=environ)
            running.callback(process.wait)
            running.callback(process.terminate)
            wait_answer(contender, payload(1))
        measure(contender_list, scratch, options)


if __name__ == "__main__":
    main()
