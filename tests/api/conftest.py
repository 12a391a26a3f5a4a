from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.storage import Database
from tests.apps import app_of


@pytest.fixture
def platform(tmp_path: Path, database: Database) -> Platform:
    return Platform(Home(tmp_path / "home", {}).prepare(), database)


@pytest.fixture
def anonymous(platform: Platform) -> Iterator[TestClient]:
    with TestClient(app_of(platform), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(anonymous: TestClient, platform: Platform) -> TestClient:
    anonymous.headers["authorization"] = f"Bearer {platform.home.token}"
    return anonymous
