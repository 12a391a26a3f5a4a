"""Whatever fits the OpenAPI document, and much that does not, is answered; nothing makes the server fail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from falaj.governance.principal import HOME, Principal, PrincipalKind
from falaj.home import Home
from falaj.server.authentication import PEER
from falaj.server.platform import Platform
from falaj.storage import Database
from tests.apps import app_of
from tests.server.people import grant, person

pytestmark = pytest.mark.e2e

DOCUMENT = "/api/v1/openapi.json"
LONG_ANSWERS = {"/api/v1/events", "/api/v1/locations/{location}/desired"}  # they stream, or wait for news
SECONDS = 60.0
CALLERS = {
    "home": Principal(HOME, PrincipalKind.SERVICE),
    "admin": person("admin"),
    "release manager": person("manager", step_up_at=4e9, step_up_method="totp"),
}


@pytest.fixture
def app(tmp_path: Path, database: Database) -> FastAPI:
    grant(database, "admin", "admin")
    grant(database, "manager", "release-manager")
    made = app_of(Platform(Home(tmp_path / "home", {}).prepare(), database))
    made.state.platform.home.token  # noqa: B018 - made once, before the clock starts
    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("caller", "database"),
    [("home", "postgres"), ("admin", "sqlite"), ("release manager", "postgres")],
    indirect=["database"],
)
def test_nothing_that_is_sent_makes_the_server_fail(app: FastAPI, caller: str) -> None:
    async def as_caller(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, PEER: CALLERS[caller]}, receive, send)

    schema = schemathesis.openapi.from_asgi(DOCUMENT, as_caller)
    operations = [found.ok() for found in schema.get_all_operations()]
    asked = [each for each in operations if each.path not in LONG_ANSWERS]
    assert len(asked) > 30
    ends = time.monotonic() + SECONDS / len(CALLERS)
    sent = sum(_try(operation, ends) for operation in asked)
    assert sent >= 2 * len(asked), "too little was sent to mean anything"


def _try(operation: Any, ends: float) -> int:
    """Send requests of one operation, both such as fit the document and such as do not; return how many."""
    sent = 0
    for mode in GenerationMode:
        examples = 6 if time.monotonic() < ends else 1  # to think of requests takes longer than to send them

        @settings(
            max_examples=examples, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            nonlocal sent
            answer = case.call()
            sent += 1
            assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"

        try:
            send()
        except (schemathesis.errors.SchemathesisError, Unsatisfiable):
            continue  # nothing can be sent that does not fit: the operation takes no input
    return sent
