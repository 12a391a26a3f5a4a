"""The guard of unit tests: what another process can disturb is no unit test."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.layers import NotAUnitTestError


def connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    "deed",
    [
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=False),
        connect,
        lambda: sqlite3.connect(":memory:"),
        lambda: time.sleep(0),
    ],
    ids=["a process", "a connection", "a database", "a sleep"],
)
def test_a_unit_test_cannot(deed: Callable[[], object]) -> None:
    with pytest.raises(NotAUnitTestError):
        deed()


@pytest.mark.integration
def test_a_marked_test_can() -> None:
    assert subprocess.run([sys.executable, "-c", "pass"], check=False).returncode == 0
