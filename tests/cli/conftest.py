from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platforms import Served, served

__all__ = ["served"]

FALAJ = Path(sys.executable).parent / "falaj"
Completed = subprocess.CompletedProcess[str]
Command = Callable[..., Completed]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """That of a user with this home, and nothing else of Falaj's."""
    outer_variables = {name: value for name, value in os.environ.items() if not name.startswith("FALAJ_")}
    return outer_variables | {"FALAJ_HOME": str(home)} | variables


@pytest.fixture
def falaj(tmp_path: Path) -> Command:
    """Run the command with an empty home, in an empty folder."""
    return _command(tmp_path / "home", tmp_path)


@pytest.fixture
def falaj_served(served: Served, tmp_path: Path) -> Command:
    """Run the command on the machine of a server that holds something."""
    return _command(served.home.root, tmp_path)


def _command(home: Path, folder: Path) -> Command:
    def run(*arguments: str, cwd: Path = folder, stdin: str = "", **variables: str) -> Completed:
        return subprocess.run(
            [FALAJ, *arguments],
            cwd=cwd, env=environment(home, **variables), input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
