"""Debian's registry and the other tools of images, where `make tools` could get them."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import free_ports
from tests.waiting import until

TOOLS = Path(__file__).parents[3] / ".tools" / "oci"
LIBRARIES = str(TOOLS / "usr" / "lib" / f"{os.uname().machine}-linux-gnu")


@dataclass(frozen=True)
class RegistryServer:
    """A registry that anybody may push to, or one with users."""

    host: str
    folder: Path

    def reference(self, path: str) -> str:
        return f"{self.host}/{path}"


def program(name: str) -> str:
    """Path of a tool; the test is skipped where it could not be had."""
    path = TOOLS / "usr" / "bin" / name
    if not path.exists():
        pytest.skip(f"{name} is not there: `make tools` could not get it")
    return str(path)


def run_tool(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    environment = os.environ | {"LD_LIBRARY_PATH": LIBRARIES} | variables
    return subprocess.run(
        [program(name), *arguments], capture_output=True, text=True, check=False, env=environment, timeout=600
    )


@contextmanager
def run_registry(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[RegistryServer]:
    """Run a registry that keeps its images in a folder."""
    port = free_ports(1)[0]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'images'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    environment = os.environ | {"OTEL_TRACES_EXPORTER": "none"} | dict(settings or {})
    command = [program("docker-registry"), "serve", str(config)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            until(lambda: _answers(port), (folder / "log").read_text)
            yield RegistryServer(f"127.0.0.1:{port}", folder)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=600).close()
    except OSError:
        return False
    return True
