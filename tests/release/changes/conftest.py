from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.storage import Database
from tests.release.scene import Scene, open_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = Database(f"sqlite:///{tmp_path / 'falaj.db'}")
    database.migrate()
    yield open_scene(tmp_path, database)
    database.close()
