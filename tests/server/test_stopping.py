"""A server that is to end keeps nobody waiting."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from falaj.home import Home
from falaj.server.platform import Platform
from falaj.server.routers.locations import desired
from falaj.storage import Database


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_agent_that_waits_for_news_is_answered_at_once(tmp_path: Path, database: Database) -> None:
    platform = Platform(Home(tmp_path / "home", {}).prepare(), database)
    version = desired("local", platform)["version"]
    threading.Timer(0.3, platform.stopping.set).start()
    began = time.monotonic()
    assert desired("local", platform, after=version)["version"] == version
    assert 0.3 <= time.monotonic() - began < 5
