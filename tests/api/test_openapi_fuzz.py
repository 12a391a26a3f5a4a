"""Whatever fits the OpenAPI document, and much that does not, is answered; nothing makes the server fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from falaj.api.authentication import PEER
from falaj.api.platform import Platform
from falaj.core.home import Home
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage import Database
from tests.api.people import grant, person
from tests.apps import app_of
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.e2e

DOCUMENT = "/api/v1/openapi.json"
LONG_ANSWERS = {"/api/v1/events", "/api/v1/locations/{location}/desired"}  # they stream, or wait for news
SECONDS = 30.0
CALLERS = {
    "home": Principal(HOME, PrincipalKind.SERVICE),
    "admin": person("admin"),
    "release manager": person("manager", step_up_at=4e9, step_up_method="totp"),
}
ON_SQLITE = "admin"


@pytest.fixture
def apps(tmp_path: Path, database: Database) -> Iterator[dict[str, FastAPI]]:
    """By caller: two on the database of the test, one on a SQLite of its own."""
    small = migrated_sqlite(tmp_path / "small.db")
    for each in (database, small):
        grant(each, "admin", "admin")
        grant(each, "manager", "release-manager")
    yield {name: _app(tmp_path / name, small if name == ON_SQLITE else database) for name in CALLERS}
    small.close()


def _app(folder: Path, database: Database) -> FastAPI:
    app = app_of(Platform(Home(folder, {}).prepare(), database))
    app.state.platform.home.token  # noqa: B018 - made once, before the clock starts
    return app


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_nothing_that_is_sent_makes_the_server_fail(apps: dict[str, FastAPI]) -> None:
    caller = "home"

    async def as_caller(scope: Any, receive: Any, send: Any) -> None:
        await apps[caller]({**scope, PEER: CALLERS[caller]}, receive, send)

    def send(case: Any) -> None:
        nonlocal caller
        for caller in CALLERS:
            answer = case.call()
            assert answer.status_code < 500, f"{caller}: {case.as_curl_command()}\n{answer.text}"

    schema = schemathesis.openapi.from_asgi(DOCUMENT, as_caller)
    operations = [result.ok() for result in schema.get_all_operations()]
    tested_operations = [each for each in operations if each.path not in LONG_ANSWERS]
    assert len(tested_operations) > 30
    ends = time.monotonic() + SECONDS
    request_count = sum(_try(operation, send, ends) for operation in tested_operations)
    assert request_count >= len(tested_operations), "too little was sent to mean anything"


def _try(operation: Any, send: Callable[[Any], None], ends: float) -> int:
    """Send requests of one operation, both such as fit the document and such as do not; return how many."""
    request_count = 0
    for mode in GenerationMode:
        examples = 6 if time.monotonic() < ends else 1  # to think of requests takes longer than to send them

        @settings(
            max_examples=examples, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def try_one(case: Any) -> None:
            nonlocal request_count
            send(case)
            request_count += 1

        try:
            try_one()
        except (schemathesis.errors.SchemathesisError, Unsatisfiable):
            continue  # nothing can be sent that does not fit: the operation takes no input
    return request_count
