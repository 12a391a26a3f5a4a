"""Real model folders, made once a session, and real servers on Unix sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from falaj.build.packaging import PackagingResult, package_model
from tests.sharing import made_once
from tests.waiting import HANGS_AFTER_S, until


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of MLflow model folders and `held-out.parquet`."""
    return made_once(tmp_path_factory, "models", _make_models)


def _make_models(folder: Path) -> None:
    script = Path(__file__).with_name("make_models.py")
    own = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", script, folder]
    process = subprocess.run(command, env=os.environ | own, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


@pytest.fixture(scope="session")
def packaged(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, PackagingResult]]:
    """Package a model once a session: name to (folder, result)."""

    def package(name: str) -> tuple[Path, PackagingResult]:
        folder = made_once(tmp_path_factory, f"packaged-{name}", lambda making: _package(models, name, making))
        return folder / name, PackagingResult.from_json(json.loads((folder / "result.json").read_text()))

    return package


def _package(models: Path, name: str, folder: Path) -> None:
    table = None if name == "tensor" else models / "held-out.parquet"
    if name in ("linear", "poisson", "imprecise"):
        table = _numbers(models, folder, scale=1e6 if name == "imprecise" else 1.0)
    result = package_model(models / name, folder / name, python=Path(sys.executable), table=table)
    (folder / "result.json").write_text(json.dumps(result.to_json()))


def _numbers(models: Path, folder: Path, scale: float) -> Path:
    import polars as pl

    shift = 1e12 if scale != 1 else 0.0
    table = pl.read_parquet(models / "held-out.parquet", columns=["hour", "distance"])
    table.select(pl.all().cast(pl.Float64) * scale + shift).write_parquet(folder / "numbers.parquet")
    return folder / "numbers.parquet"


@dataclass
class Replica:
    """A running model server."""

    process: subprocess.Popen[str]
    socket: Path
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        self.client = httpx.Client(transport=transport, base_url="http://replica", timeout=HANGS_AFTER_S)

    def wait_ready(self) -> None:
        until(self._ready)

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.process.stderr.read()}")  # type: ignore[union-attr]
        return self.accepts() and self.client.get("/v2/health/ready").status_code == 200

    def accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def invoke(self, body: Any, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/invocations", content=content, **options)

    def end(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Start a replica of a model folder; ended after the test."""
    running: list[Replica] = []

    def start(model: Path, *options: str, wait: bool = True, command: tuple[str, ...] = ()) -> Replica:
        path, log = tmp_path / f"{len(running)}.sock", tmp_path / "log"
        line = command or (sys.executable, "-m", "falaj.dataplane.model_server")
        process = subprocess.Popen(
            [
                *(*line, "--model", str(model), "--socket", str(path), "--log", str(log)),
                *("--name", "flight-delay", "--version", "7", "--endpoint", "dev/flight-delay", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        replica = Replica(process, path, log)
        running.append(replica)
        if wait:
            replica.wait_ready()
        return replica

    yield start
    for replica in running:
        replica.end()
