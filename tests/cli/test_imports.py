"""What commands that people wait for must not import: each of these takes longer than the answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from falaj.core.home import Home
from tests.cli.conftest import environment
from tests.platforms import Served

pytestmark = pytest.mark.integration

HEAVY = {"alembic", "cryptography", "fastapi", "httpx", "mlflow", "msgspec", "numpy", "pydantic", "rich", "sqlalchemy"}
HEAVY |= {"uvicorn", "yaml"}

PROGRAM = """
import sys
from falaj.cli.main import main
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported(home: Home, *arguments: str) -> tuple[set[str], str]:
    """Packages that a command imported, and what it printed."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    ended = subprocess.run(command, env=environment(home.root), capture_output=True, text=True, check=True)
    return set(ended.stderr.split()), ended.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--help"),
        ("run", "list"),
        ("run", "list", "--json"),
        ("run", "show"),
        ("run", "logs"),
        ("release", "list"),
        ("release", "list", "--models"),
        ("endpoint", "list"),
        ("project", "list"),
        ("platform", "show"),
    ],
    ids=" ".join,
)
def test_a_command_that_asks_the_server_imports_little(served: Served, arguments: tuple[str, ...]) -> None:
    packages, printed = imported(served.home, *arguments)
    assert any(word in printed for word in ("flight", "Usage", "fitting", "version"))
    assert {"falaj", "typer"} <= packages
    assert not packages & HEAVY


def test_a_command_that_needs_one_of_them_is_seen_to_import_it(served: Served) -> None:
    assert "pydantic" in imported(served.home, "project", "schema")[0]
