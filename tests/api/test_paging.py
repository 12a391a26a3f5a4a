"""Lists in pages: every row once whatever is added meanwhile, few statements, and few rows read for those shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_origin
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import event, text

from falaj.api.paging import decode_cursor, encode_cursor
from falaj.api.platform import Platform
from falaj.api.route_actions import walk
from falaj.core.errors import UsageError
from falaj.storage import ProcessRow, ProjectRow, ReleaseRow, RunRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.monitoring_tables import AlertRow
from falaj.storage.regression_gate_tables import RegressionGateRow

pytestmark = pytest.mark.integration

MOST_STATEMENTS = 12
"""Of a request for 20 rows: those of the list, and what who asks may read."""


FAILURE = {"rows": 40, "stable": 0.1, "candidate": 0.3, "p": 0.001, "columns": [], "statement": ""}


def release(number: int) -> list[Any]:
    return [
        ReleaseRow(
            model="flights", number=number, project="flights", run_id=f"run-{number}", commit="2" * 40,
            digest="sha256:aa", state="candidate", data={}, created_at=float(number // 3),
        )
    ]  # fmt: skip


def change(number: int) -> list[Any]:
    at, name = float(number // 3), f"{number:06}"
    return [
        ProcessRow(id=name, kind="change", state="closed", data={}, created_at=at, updated_at=at),
        ChangeRow(
            id=name, project="flights", model="flights", release=number, digest="sha256:aa", environment="prod", rank=3,
            kind="normal", state="done", requester="user:lina", reason="", expires_at=at, data={"quorum": 1},
            created_at=at, updated_at=at,
        ),
    ]  # fmt: skip


def alert(number: int) -> list[Any]:
    at = float(number // 3)
    return [
        AlertRow(
            id=f"{number:06}", project="flights", location="local", environment="prod", model="flights",
            release=number, state="open", cause="drift", severity="info", opened_at=at, updated_at=at, data={},
        )
    ]  # fmt: skip


def run(number: int) -> list[Any]:
    return [
        RunRow(
            id=f"{number:06}", project="flights", commit="2" * 40, trigger="push", params={},
            state="succeeded", created_at=float(number // 3),
        )
    ]  # fmt: skip


def gate(number: int) -> list[Any]:
    at = float(number // 3)
    return [
        RegressionGateRow(
            id=f"{number:06}", project="flights", model="flights", state="accepted", metric="brier", limit=0.1,
            predicate="", digest="", location="local", jurisdiction="AE", cause="x", data=FAILURE, created_at=at,
            updated_at=at,
        )
    ]  # fmt: skip


Make = Callable[[int], list[Any]]
LISTS: dict[str, tuple[Make, str]] = {
    "releases": (release, "number"),
    "changes": (change, "id"),
    "alerts": (alert, "id"),
    "runs": (run, "id"),
    "gates": (gate, "id"),
}


@pytest.fixture(autouse=True)
def owners(platform: Platform) -> None:
    with platform.database.transaction() as session:
        session.add(ProjectRow(name="flights", repository="https://git.example.org/x", branch="main", created_at=0.0))


@pytest.fixture(params=sorted(LISTS))
def path(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def add(platform: Platform, make: Make, numbers: range) -> None:
    with platform.database.transaction() as session:
        session.add_all([row for number in numbers for row in make(number)])


def cursor_of(link: str) -> str:
    target, _, relation = link.partition(">")
    assert relation == '; rel="next"'
    return parse_qs(urlsplit(target[1:]).query)["after"][0]


def test_pages_show_every_row_once_while_rows_are_added(path: str, client: TestClient, platform: Platform) -> None:
    make, name = LISTS[path]
    add(platform, make, range(1, 26))
    shown, query = [], {"limit": 10}
    for page in range(3):
        answer = client.get(f"/api/v1/{path}", params=query)
        shown += [int(each[name]) for each in answer.json()]
        add(platform, make, range(100 + page, 101 + page))
        if "link" in answer.headers:
            query["after"] = cursor_of(answer.headers["link"])
    assert shown == list(range(25, 0, -1))
    assert "link" not in answer.headers


@contextmanager
def statements(platform: Platform) -> Iterator[list[tuple[str, Any]]]:
    executed: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        executed.append((statement, parameters))

    event.listen(platform.database.engine, "before_cursor_execute", note)
    yield executed
    event.remove(platform.database.engine, "before_cursor_execute", note)


def test_a_page_is_read_with_few_statements_and_few_rows(path: str, client: TestClient, platform: Platform) -> None:
    make, _ = LISTS[path]
    add(platform, make, range(1, 2001))
    with platform.database.engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    first = client.get(f"/api/v1/{path}", params={"limit": 20})
    with statements(platform) as executed:
        answer = client.get(f"/api/v1/{path}", params={"limit": 20, "after": cursor_of(first.headers["link"])})
    assert len(answer.json()) == 20
    assert len(executed) <= MOST_STATEMENTS
    table = {"gates": "regression_gates"}.get(path, path)
    (of_page,) = [each for each in executed if f"FROM {table}" in each[0] and "LIMIT" in each[0]]
    assert rows_read(platform, *of_page) <= 200


def rows_read(platform: Platform, statement: str, parameters: Any) -> int:
    """What the database goes through for a statement; SQLite does not count, and tells whether it sorts or scans."""
    with platform.database.engine.connect() as connection:
        if platform.database.engine.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            return 10**6 if any("TEMP B-TREE" in each[3] or "USING" not in each[3] for each in plan) else 0
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        return _rows_of(plan[0]["Plan"])


def _rows_of(node: dict[str, Any]) -> int:
    own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(max([own, *map(_rows_of, node.get("Plans", []))]))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "cursor", ["x", "e30", encode_cursor([1.0]), encode_cursor(["a", "b"]), encode_cursor([1, 2, 3])]
)
def test_a_cursor_of_another_list_is_refused(cursor: str, client: TestClient) -> None:
    answer = client.get("/api/v1/alerts", params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "page.cursor")


def test_a_cursor_keeps_every_digit() -> None:
    values = [1764523456.123456, "a-b"]
    assert decode_cursor(encode_cursor(values), [float, str]) == values
    with pytest.raises(UsageError):
        decode_cursor(encode_cursor([True, "a"]), [float, str])


def test_a_list_comes_in_the_order_that_is_asked_for(client: TestClient, platform: Platform) -> None:
    add(platform, run, range(1, 6))
    with platform.database.transaction() as session:
        session.get_one(RunRow, "000003").state = "failed"
    assert ids_of(client, sort="created_at") == [1, 2, 3, 4, 5]
    assert ids_of(client, sort="state") == [3, 1, 2, 4, 5]
    assert ids_of(client, sort="-state") == [5, 4, 2, 1, 3]
    assert client.get("/api/v1/runs", params={"sort": "reason"}).status_code == 400


def test_a_filter_that_the_database_cannot_ask_goes_on_from_page_to_page(
    client: TestClient, platform: Platform
) -> None:
    add(platform, run, range(1, 251))
    assert ids_of(client, limit=40, filter="release > 1") == []
    with platform.database.transaction() as session:
        for number in (7, 120, 240):
            session.get_one(RunRow, f"{number:06}").release = 9
    assert ids_of(client, limit=2, filter="release > 1") == [240, 120, 7]


def ids_of(client: TestClient, **query: Any) -> list[int]:
    """The runs of every page."""
    shown = []
    while True:
        answer = client.get("/api/v1/runs", params=query)
        shown += [int(each["id"]) for each in answer.json()]
        if "link" not in answer.headers:
            return shown
        query["after"] = cursor_of(answer.headers["link"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_list_comes_in_pages_or_says_what_bounds_it(client: TestClient) -> None:
    lists = {path: route for path, route in walk(client.app) if "GET" in route.methods and _is_list(route)}
    whole = {path for path, route in lists.items() if not _is_paged(route)}
    silent = {path for path in whole if not (lists[path].openapi_extra or {}).get("x-falaj-bounded")}
    assert len(lists) > 30
    assert silent == set()
    assert len(whole) <= 12


def _is_list(route: APIRoute) -> bool:
    return get_origin(route.response_model) is list


def _is_paged(route: APIRoute) -> bool:
    return any(
        each.call is not None and each.call.__qualname__ == "paged.<locals>.page"
        for each in route.dependant.dependencies
    )
