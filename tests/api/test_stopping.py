"""A server that is to end keeps nobody waiting."""

from __future__ import annotations

import asyncio
import math
import threading
from pathlib import Path

import pytest
from fastapi import Request

from falaj.api.platform import Platform
from falaj.api.routers import locations
from falaj.api.routers.locations import desired
from falaj.api.routers.system import events
from falaj.core.home import Home
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage import Database

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_agent_that_waits_for_news_is_answered(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locations, "_LONG_POLL_S", math.inf)  # nothing else would end it
    platform = Platform(Home(tmp_path / "home", {}).prepare(), database)
    version = asyncio.run(desired("local", platform))["version"]
    threading.Timer(0.3, platform.stopping.set).start()
    assert asyncio.run(desired("local", platform, after=version))["version"] == version
    assert platform.stopping.is_set()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_follows_events_is_let_go(tmp_path: Path, database: Database) -> None:
    platform = Platform(Home(tmp_path / "home", {}).prepare(), database)

    async def silent() -> dict[str, str]:
        await asyncio.Event().wait()  # for ever
        return {"type": "http.disconnect"}

    async def followed() -> list[object]:
        answer = events(
            Request({"type": "http", "headers": []}, silent), platform, Principal(HOME, PrincipalKind.SERVICE)
        )
        return [event async for event in answer.body_iterator]

    threading.Timer(0.3, platform.stopping.set).start()
    assert asyncio.run(followed()) == []
    assert platform.stopping.is_set()
