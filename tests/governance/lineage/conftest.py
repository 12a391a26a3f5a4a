from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.storage import Database


@pytest.fixture(scope="module")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for many examples."""
    path: Path = tmp_path_factory.mktemp("lineage") / "falaj.db"
    made = Database(f"sqlite:///{path}")
    made.migrate()
    yield made
    made.close()
