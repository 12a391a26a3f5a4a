"""Data sources in a real PostgreSQL."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from falaj.build.pipeline import SourceSnapshot, resolve
from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import fingerprint
from falaj.build.pipeline.tables import GROUP_ROWS
from falaj.config import SourceSpec, StepSpec
from falaj.config.connections import UnknownConnectionError
from falaj.core.errors import FalajError, UnavailableError
from tests.build.pipeline.conftest import Project
from tests.warehouses import PASSWORD, Warehouse, dwh, warehouse_server

__all__ = ["dwh", "warehouse_server"]

pytestmark = pytest.mark.integration
LONG = "12345678901234567890123456789012345678"


def source(**fields: Any) -> SourceSpec:
    return SourceSpec("claims", "sql://dwh", "internal", "AE", query="sql/claims.sql", **{"key": ("id",), **fields})


def snapshot(
    project: Project, connection: OpenConnection, query: str = "select * from claims", **fields: Any
) -> SourceSnapshot:
    project.write("sql/claims.sql", query)
    return resolve(source(**fields), project.environment, project.worktree, project.store, lambda _: connection)


def rows(project: Project, snapshot: SourceSnapshot, folder: Path) -> pa.Table:
    return pq.read_table(project.store.fetch(snapshot.digest, folder / snapshot.filename))


def refused(project: Project, connection: OpenConnection, query: str, **fields: Any) -> FalajError:
    with pytest.raises(FalajError) as error:
        snapshot(project, connection, query, **fields)
    assert PASSWORD not in str(error.value)
    return error.value


def test_a_step_reads_what_a_query_gives(project: Project, dwh: Warehouse) -> None:
    project.write("sql/claims.sql", "-- what was paid\nselect id, paid from claims where id > 2;\n")
    project.write(
        "steps.py", "import polars as pl\n\ndef f(claims: pl.DataFrame) -> str:\n    return str(claims['paid'].sum())\n"
    )
    result = project.run(
        StepSpec("f", run="steps:f", inputs=("claims",)), sources={"claims": source()}, connect=lambda _: dwh.connection
    )
    assert result.ok, result.steps["f"].error
    assert project.value(result, "f") == "3.00"


def test_the_same_rows_give_the_same_digest_whatever_their_order(project: Project, dwh: Warehouse) -> None:
    first = snapshot(project, dwh.connection)
    dwh.run("update claims set text = text || '' where id in (1, 3)")  # they move to the end of the table
    assert snapshot(project, dwh.connection, "select * from claims order by id desc").digest == first.digest
    dwh.run("update claims set paid = 9 where id = 4")
    assert snapshot(project, dwh.connection).digest != first.digest


def test_what_was_read_is_recorded_without_the_password(project: Project, dwh: Warehouse, tmp_path: Path) -> None:
    pinned = snapshot(project, dwh.connection)
    reading = pinned.table
    assert reading
    assert (reading.kind, reading.rows, reading.query[:7]) == ("postgres", 5, "sha256:")
    assert reading.address.endswith("/dwh") and "reader" not in reading.address
    assert reading.columns == {
        "id": "int32", "text": "string", "paid": "decimal128(10, 2)", "rate": "decimal128(38, 16)"
    } | {"rate": reading.columns["rate"]}  # fmt: skip
    assert PASSWORD not in json.dumps(reading.to_json()) + repr(dwh.connection)
    assert rows(project, pinned, tmp_path).column_names == ["id", "text", "paid", "rate"]


@pytest.mark.parametrize(
    ("numbers", "kind", "values"),
    [
        (("1.5", "-22.125", "NULL"), "decimal128(38, 3)", [Decimal("1.5"), Decimal("-22.125"), None]),
        (("7", LONG), "decimal128(38, 0)", [Decimal(7), Decimal(LONG)]),
        (("NULL",), "decimal128(38, 0)", [None]),
    ],
)  # fmt: skip
def test_numeric_becomes_decimal(
    project: Project, dwh: Warehouse, tmp_path: Path, numbers: tuple[str, ...], kind: str, values: list[Any]
) -> None:
    lines = ", ".join(f"({index}, {number}::numeric)" for index, number in enumerate(numbers))
    pinned = snapshot(project, dwh.connection, f"select * from (values {lines}) as v(id, n)")
    assert pinned.table and pinned.table.columns["n"] == kind
    assert rows(project, pinned, tmp_path)["n"].to_pylist() == values


@pytest.mark.parametrize("number", ["'NaN'", "'Infinity'", "1e40", "1e-39"])
def test_a_number_that_no_decimal_holds_is_refused(project: Project, dwh: Warehouse, number: str) -> None:
    assert "`n` has numbers" in refused(project, dwh.connection, f"select 1 as id, {number}::numeric as n").message


def test_rows_are_cut_into_groups_by_their_number_alone(project: Project, dwh: Warehouse, tmp_path: Path) -> None:
    query = f"select g as id, repeat('x', g % 50) as text, g / 8.0 as n from generate_series(1, {GROUP_ROWS + 7}) g"
    pinned = snapshot(project, dwh.connection, query)
    meta = pq.read_metadata(project.store.fetch(pinned.digest, tmp_path / pinned.filename))
    assert [meta.row_group(index).num_rows for index in range(meta.num_row_groups)] == [GROUP_ROWS, 7]


def test_text_is_sorted_by_its_bytes(project: Project, dwh: Warehouse, tmp_path: Path) -> None:
    query = "select * from (values ('b'), ('A'), ('a'), ('B'), ('ä')) as v(id)"
    assert rows(project, snapshot(project, dwh.connection, query), tmp_path)["id"].to_pylist() == [
        "A",
        "B",
        "a",
        "b",
        "ä",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "delete from claims returning *",
        "with gone as (delete from claims returning *) select * from gone",
        "insert into claims (id) values (77) returning *",
        "select 1 as id) as s; delete from claims; --",
        "select set_config('transaction_read_only', 'off', true) as id",
        "select id from claims for update",
        "drop table claims",
        "copy claims to program 'touch /tmp/never'",
        "",
        "-- nothing",
    ],
)
def test_a_query_that_does_not_only_read_is_refused(project: Project, dwh: Warehouse, query: str) -> None:
    error = refused(project, dwh.connection, query)
    assert isinstance(error, SourceError) and error.exit_code == 2
    assert dwh.server.execute("select count(*) from claims").fetchone() == (5,)


def test_dml_is_said_to_be_writing(project: Project, dwh: Warehouse) -> None:
    dwh.run("create function take(n int) returns int language sql as 'delete from claims where id = n returning id'")
    for query in (
        "delete from claims",
        "with g as (delete from claims returning *) select * from g",
        "select take(1) as id",
    ):
        message = refused(project, dwh.connection, query).message
        assert "only reads" in message, message
    dwh.run("drop function take")


@pytest.mark.parametrize(
    ("query", "key", "message"),
    [
        ("select 1 as id union all select 1", ("id",), "two rows share the key (id)"),
        ("select g % 70000 as id from generate_series(0, 70000) g", ("id",), "two rows share the key (id)"),
        ("select null::int as id", ("id",), "the key column `id` is NULL"),
        ("select 1 as a", ("id",), "the query has no column `id`"),
        ("select 1 as id, 2 as id", ("id",), "two columns are called `id`"),
        ("select 1 as id, 2 as a, 3 as a", ("id",), "two columns are called `a`"),
        ("select 1 as id, interval '1 day' as gap", ("id",), "`gap` is of type month_day_nano_interval"),
        ("select 1 as id, '10.0.0.1'::inet as ip", ("id",), "`ip` is of type inet"),
        ("select 1 / (g - 9000) as id from generate_series(1, 9000) g", ("id",), "division by zero"),
        ("select nope from claims", ("id",), 'column "nope" does not exist'),
        ("select * from secrets_of_others", ("id",), 'relation "secrets_of_others" does not exist'),
    ],
)
def test_bad_queries_say_what_is_wrong(
    project: Project, dwh: Warehouse, query: str, key: tuple[str, ...], message: str
) -> None:
    assert message in refused(project, dwh.connection, query, key=key).message


def test_equal_parts_of_a_key_are_no_equal_keys(project: Project, dwh: Warehouse) -> None:
    query = "select a, b from generate_series(1, 300) a, generate_series(1, 300) b"
    pinned = snapshot(project, dwh.connection, query, key=("a", "b"))
    assert pinned.table and pinned.table.rows == 90_000


def test_more_rows_than_the_connection_permits_are_refused(project: Project, dwh: Warehouse) -> None:
    assert snapshot(project, dwh.bounded(max_rows=5)).table
    assert "more than 4 rows" in refused(project, dwh.bounded(max_rows=4), "select * from claims").message


def test_a_slow_query_is_ended(project: Project, dwh: Warehouse) -> None:
    error = refused(project, dwh.bounded(timeout_s=0.3), "select 1 as id, pg_sleep(600)::text as s")
    assert isinstance(error, UnavailableError) and error.code == "source.timed-out"
    assert "took longer than 0.3 s" in error.message


def test_a_wrong_password_is_named_as_that(project: Project, dwh: Warehouse) -> None:
    error = refused(project, replace(dwh.connection, secrets={"password": "something-else"}), "select 1 as id")
    assert "does not take the password" in error.message
    assert error.hint == "falaj platform secret set DWH_PASSWORD"
    assert "something-else" not in str(error)


def test_a_server_that_is_away_may_be_asked_again(project: Project, dwh: Warehouse, tmp_path: Path) -> None:
    error = refused(project, dwh.bounded(host=str(tmp_path)), "select 1 as id")
    assert isinstance(error, UnavailableError) and error.code == "source.unavailable"


def test_a_host_that_leads_to_the_metadata_of_a_cloud_is_not_asked(project: Project, dwh: Warehouse) -> None:
    assert refused(project, dwh.bounded(host="169.254.169.254"), "select 1 as id").code == "egress.address"


def test_a_query_outside_of_the_project_is_not_read(project: Project, dwh: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "secret.sql").write_text("select 1 as id")
    (project.worktree / "sql").mkdir()
    (project.worktree / "sql" / "link.sql").symlink_to(tmp_path / "secret.sql")
    with pytest.raises(SourceError, match="leads out of the project"):
        resolve(
            replace(source(), query="sql/link.sql"), project.environment, project.worktree, project.store,
            lambda _: dwh.connection,
        )  # fmt: skip


def test_a_writer_during_the_read_is_not_seen(project: Project, dwh: Warehouse) -> None:
    """A second look at the table within the query sees what the first did."""
    dwh.run("create function slow(n int) returns int language plpgsql as 'begin perform pg_sleep(0.2); return n; end'")
    query = "select id, (select count(*) from claims)::int as n, slow(id) as s from claims"
    writer = threading.Timer(0.4, lambda: dwh.run("insert into claims (id) values (100)"))
    writer.start()
    pinned = snapshot(project, dwh.connection, query)
    writer.join()
    dwh.run("drop function slow")
    assert pinned.table and pinned.table.rows == 5


def test_a_watch_changes_with_the_table(project: Project, dwh: Warehouse) -> None:
    watched = source(watch="select max(id), count(*) from claims")

    def state() -> str | None:
        return fingerprint(watched, lambda _: dwh.connection)

    before = state()
    assert before and state() == before
    dwh.run("insert into claims (id) values (6)")
    assert state() not in (before, None)
    assert fingerprint(source(), lambda _: dwh.connection) is None


@pytest.mark.parametrize("watch", ["delete from claims returning 1", "select * from generate_series(1, 101)"])
def test_a_watch_reads_one_small_answer(dwh: Warehouse, watch: str) -> None:
    with pytest.raises(SourceError):
        fingerprint(source(watch=watch), lambda _: dwh.connection)


def test_a_connection_that_there_is_not_is_named(project: Project) -> None:
    project.write("sql/claims.sql", "select 1 as id")
    with pytest.raises(UnknownConnectionError, match="there is no connection `dwh`"):
        resolve(source(), project.environment, project.worktree, project.store)
