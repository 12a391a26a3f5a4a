"""Real servers for tests, on loopback, one for each pytest session; import the fixture into a `conftest.py`."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import HANGS_AFTER_S

WEED = Path(sys.prefix) / "bin" / "weed"
BUCKET = "falaj-tests"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class S3Server:
    """A SeaweedFS server with an S3 gateway.

    Attributes:
        endpoint: `http://127.0.0.1:port`.
        filer: The same of the file server behind it, where buckets are folders.
        environment: Variables with the endpoint and the credentials of an administrator.
        process: The server.
    """

    endpoint: str
    filer: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def make_bucket(self, name: str) -> None:
        """Make a bucket; its name has at least three characters. Each takes volumes, so make few."""
        request = urllib.request.Request(f"{self.filer}/buckets/{name}/", method="POST")
        urllib.request.urlopen(request, timeout=HANGS_AFTER_S).close()

    def url(self, prefix: str, bucket: str = BUCKET) -> str:
        """Address of an artifact store in a folder of a bucket."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1"


class Bucket:
    """Objects below a prefix of a bucket, written by another program than the one that reads them."""

    def __init__(self, server: S3Server, prefix: str) -> None:
        from obstore.store import S3Store

        plain: dict[str, Any] = {"client_options": {"allow_http": True}, "virtual_hosted_style_request": False}
        self._store = S3Store(BUCKET, endpoint=server.endpoint, region="us-east-1", **plain)
        self._prefix = prefix

    def put(self, name: str, text: str) -> None:
        import obstore

        obstore.put(self._store, f"{self._prefix}/{name}", text.encode())

    def url(self, name: str = "") -> str:
        """As a project names it: where the server is says `AWS_ENDPOINT_URL` of the worker."""
        return f"s3://{BUCKET}/{self._prefix}/{name}".rstrip("/") + "?region=us-east-1"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with the bucket `BUCKET`."""
    with run_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        server.make_bucket(BUCKET)
        yield server


@contextmanager
def run_seaweedfs(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS on free loopback ports, keeping its data and log in a folder; it dies with this process."""
    credentials = {"AWS_ACCESS_KEY_ID": "falaj-tests", "AWS_SECRET_ACCESS_KEY": "only-for-tests"}
    (folder / "s3.json").write_text(json.dumps({"identities": [_administrator(credentials)]}))
    ports = free_ports(8)
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [str(WEED), "-logtostderr=true", "server", *_options(folder, ports)],
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,
        )
    try:
        endpoint = f"http://127.0.0.1:{ports[6]}"
        _wait_until_healthy(f"{endpoint}/healthz", process, folder / "weed.log")
        where = {**credentials, "AWS_ENDPOINT_URL": endpoint}
        yield S3Server(endpoint, f"http://127.0.0.1:{ports[4]}", where, process)
    finally:
        process.kill()  # it takes ten seconds to leave when asked politely, and keeps nothing we need
        process.wait()


def free_ports(count: int) -> list[int]:
    """Loopback ports that nothing listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _administrator(credentials: dict[str, str]) -> dict[str, object]:
    keys = {
        "accessKey": credentials["AWS_ACCESS_KEY_ID"],
        "secretKey": credentials["AWS_SECRET_ACCESS_KEY"],
    }
    return {"name": "tests", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}


def _options(folder: Path, ports: list[int]) -> list[str]:
    names = ("master.port", "volume.port", "filer.port")
    listen = [f"-{name}={ports[2 * i]}" for i, name in enumerate((*names, "s3.port"))]
    grpc = [f"-{name}.grpc={ports[2 * i + 1]}" for i, name in enumerate((*names, "s3.port"))]
    return [
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", *listen, *grpc),
        *("-s3", f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=128", "-volume.max=64"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
    ]


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)
