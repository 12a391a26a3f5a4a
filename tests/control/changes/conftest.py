from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.releases.scene import Scene, open_scene
from tests.databases import migrated_sqlite


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield open_scene(tmp_path, database)
    database.close()
