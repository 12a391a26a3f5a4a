"""Who may call which route, as the table beside this file says; `python -m tests.api.test_routes_by_role` writes it.

A line that changes in the table is a change of who may do what, and is reviewed as one.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from falaj.api import problems
from falaj.api.authentication import PEER
from falaj.api.authorization import gate
from falaj.api.platform import Platform
from falaj.api.route_actions import declared, walk
from falaj.core.home import Home
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.policy_tables import RoleBindingRow
from falaj.trust.policy import Role
from tests.apps import app_of
from tests.databases import scratch_fact_store

pytestmark = pytest.mark.integration

TABLE = Path(__file__).with_name("routes_by_role.csv")
PEOPLE = {role.value: Principal(f"user:{role}", PrincipalKind.USER) for role in Role}
CALLERS: dict[str, Principal | None] = {
    "anonymous": None,
    "nobody": Principal("user:nobody", PrincipalKind.USER),
    **PEOPLE,
    "locked admin": replace(PEOPLE["admin"], active=False),
    "other tenant": replace(PEOPLE["admin"], tenant="rival"),
    "home": Principal(HOME, PrincipalKind.SERVICE),
    "agent": Principal("workload:agent/x", PrincipalKind.WORKLOAD, location="x"),
    "other agent": Principal("workload:agent/y", PrincipalKind.WORKLOAD, location="y"),
}


def table(app: FastAPI) -> str:
    """Each route with its action, and y for each caller that the gate lets through."""
    rows = asyncio.run(_rows(app))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "path", "action", *CALLERS])
    writer.writerows(sorted(rows, key=lambda row: (row[1], row[0])))
    return text.getvalue()


def same_doors(app: FastAPI) -> FastAPI:
    """The application's routes behind the same gate, with nothing behind them."""
    doors = FastAPI(openapi_url=None, dependencies=[Depends(gate)])
    doors.state.platform = app.state.platform
    problems.install(doors)
    for path, route in walk(app):
        doors.add_api_route(path, _nothing, methods=sorted(route.methods), openapi_extra=route.openapi_extra)
    return doors


async def _nothing() -> None: ...


async def _rows(app: FastAPI) -> list[list[str]]:
    doors = same_doors(app)
    clients = [_client(doors, caller) for caller in CALLERS.values()]
    return [
        [method, path, str(declared(route)), *[await _call(client, method, path) for client in clients]]
        for path, route in walk(app)
        for method in sorted(route.methods)
    ]


def _client(doors: FastAPI, caller: Principal | None) -> httpx.AsyncClient:
    async def behind_a_certificate(scope: Any, receive: Any, send: Any) -> None:
        await doors(scope if caller is None else {**scope, PEER: caller}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(behind_a_certificate), base_url="http://testserver")


async def _call(client: httpx.AsyncClient, method: str, path: str) -> str:
    status = (await client.request(method, re.sub(r"\{[^}]+\}", "x", path))).status_code
    assert status in (200, 401, 403), f"{method} {path}: {status}"
    return "y" if status == 200 else "-"


def installation(folder: Path, database: Database) -> FastAPI:
    """An application whose people hold one role each."""
    with database.transaction() as session:
        for role, person in PEOPLE.items():
            for tenant in ("default", "rival"):
                session.add(
                    RoleBindingRow(tenant=tenant, principal=person.id, role=role, granted_by="test", granted_at=0.0)
                )
    return app_of(Platform(Home(folder, {}).prepare(), database))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_each_route_answers_exactly_the_callers_of_the_table(tmp_path: Path, database: Database) -> None:
    actual = table(installation(tmp_path / "home", database))
    assert actual.splitlines() == TABLE.read_text().splitlines()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        fresh = Database(f"sqlite:///{folder}/falaj.db", scratch_fact_store(Path(folder) / "facts.db"))
        fresh.migrate()
        TABLE.write_text(table(installation(Path(folder) / "home", fresh)))
        sys.stdout.write(f"wrote {TABLE}\n")
