from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.storage import Database
from tests.databases import migrated_sqlite


@pytest.fixture(scope="module")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for many examples."""
    path: Path = tmp_path_factory.mktemp("lineage") / "falaj.db"
    new_database = migrated_sqlite(path)
    yield new_database
    new_database.close()
