"""The application for tests of routes: its routes are built once a process, and hashes of passwords are cheap."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.datastructures import State

from falaj.api import create_app
from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.trust.identity import Authenticator, Passwords
from tests.databases import migrated_sqlite

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def app_of(platform: Platform) -> FastAPI:
    """The application of a platform, without controllers."""
    platform.__dict__.setdefault("doorkeeper", Authenticator(platform.database, Passwords(CHEAP), platform.vault))
    app = copy.copy(_built())
    app.state = State({"platform": platform})
    return app


@cache
def _built() -> FastAPI:
    """The application of nobody: making all routes takes as long as a test of one."""
    with TemporaryDirectory() as folder:
        database = migrated_sqlite(Path(folder) / "falaj.db")
        app = create_app(Platform(Home(Path(folder) / "home", {}), database), controllers=False)
        database.close()
        return app
