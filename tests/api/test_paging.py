"""Lists in pages: every row once whatever is added meanwhile, few statements, and few rows read for those shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text

from falaj.api.paging import decode_cursor, encode_cursor
from falaj.api.platform import Platform
from falaj.core.errors import UsageError
from falaj.storage import ProcessRow, ReleaseRow
from falaj.storage.change_tables import ChangeRow
from falaj.storage.monitoring_tables import AlertRow

MOST_STATEMENTS = 12
"""Of a request for 20 rows: those of the list, and what who asks may read."""


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
            kind="normal", state="closed", requester="user:lina", reason="", expires_at=at, data={"quorum": 1},
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


Make = Callable[[int], list[Any]]
LISTS: dict[str, tuple[Make, str]] = {
    "releases": (release, "number"),
    "changes": (change, "id"),
    "alerts": (alert, "id"),
}


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
    (of_page,) = [each for each in executed if f"FROM {path}" in each[0]]
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
    keys = (AlertRow.opened_at, AlertRow.id)
    assert decode_cursor(encode_cursor(values), keys) == values
    with pytest.raises(UsageError):
        decode_cursor(encode_cursor([True, "a"]), keys)
