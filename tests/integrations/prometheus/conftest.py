"""Debian's Prometheus, unpacked by `make .tools/prometheus` or installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.platforms import served

__all__ = ["served"]

TOOLS = Path(__file__).parents[3] / ".tools" / "prometheus" / "usr" / "bin"


def _program(name: str) -> str:
    unpacked = TOOLS / name
    program_path = str(unpacked) if unpacked.exists() else shutil.which(name)
    if not program_path:
        pytest.skip(f"there is no {name}; `make .tools/prometheus` fetches it")
    return program_path


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Path of the program."""
    return _program("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of the program."""
    return _program("promtool")
