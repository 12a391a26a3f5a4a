"""Data validation on real Parquet files, read by polars and by pandas."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest
import yaml

from falaj.build.checks import run_check
from falaj.build.checks.runner import column_summary
from falaj.config import SourceSpec
from falaj.config.expectations import ColumnExpectation, TableExpectation
from tests.build.checks.conftest import flights

NOW = datetime(2013, 3, 8, tzinfo=UTC).timestamp()
TABLE = pl.DataFrame(
    {
        "id": [1, 2, 3, 3],
        "carrier": ["AA", "UA", None, "ZZ"],
        "distance": [100.0, 2500.0, float("nan"), 700.0],
        "at": [datetime(2013, 3, day) for day in (1, 2, 3, 7)],  # noqa: DTZ001 - read as UTC
        "late": [True, False, True, True],
    }
)


@pytest.fixture
def expecting(bench, same_process):
    bench.keep_table("prepare", TABLE)

    def check(**expected):
        bench.spec = replace(bench.spec, expect={"prepare": expected})
        return run_check("data", bench.context(now=NOW))

    return check


@pytest.mark.parametrize(
    ("column", "holds", "breaks"),
    [
        ("rows", {"min": 4, "max": 4}, {"min": 5}),
        ("rows", {"max": 10}, {"max": 3}),
        ("id", {"type": "int", "min": 1, "max": 3}, {"type": "string"}),
        ("id", {"values": [1, 2, 3]}, {"values": [1, 2]}),
        ("id", {}, {"unique": True}),
        ("distance", {"min": 100, "max": 2500, "missing": 0.25}, {"max": 2499}),
        ("distance", {"missing": 0.3}, {"missing": 0.2}),
        ("distance", {"type": "float"}, {"min": 100.5}),
        ("distance", {"unique": True}, {"min": "100"}),
        ("carrier", {"type": "string", "missing": 0.25}, {"missing": 0}),
        ("carrier", {"values": ["AA", "UA", "ZZ"]}, {"values": ["AA", "UA"]}),
        ("at", {"type": "datetime", "min": "2013-03-01"}, {"max": "2013-03-06"}),
        ("at", {"freshness_s": 172_800}, {"freshness_s": 43_200}),
        ("at", {"freshness_s": 90_000}, {"freshness_s": 80_000}),
        ("carrier", {}, {"freshness_s": 100}),
        ("late", {"type": "bool", "values": [True, False]}, {"values": [True]}),
        ("id", {}, {"wheels": 3}),
    ],
)
def test_each_expectation_can_hold_and_break(expecting, column, holds, breaks):
    rows = {"rows": {"min": 1}} if column != "rows" else {}
    assert expecting(**{column: holds}, **rows).passed
    broken = expecting(**{column: breaks}, **rows)
    assert not broken.passed
    assert (column if column != "rows" else "rows is 4") in broken.summary


def test_the_summary_counts_and_names_the_first_problem(expecting):
    check_result = expecting(rows={"min": 1}, carrier={"missing": 0, "values": ["AA", "UA"]})
    assert check_result.summary == (
        "3 expectations of 1 tables with 4 rows, 2 not met: prepare.carrier missing is 0.25, expected <= 0"
    )
    assert check_result.checked == 3
    assert check_result.tools == {"polars": pl.__version__}
    assert check_result.values[2].value == "ZZ"


WORDS = """
prepare:
  rows: {min: 4, max: 4}
  id: {type: int, min: 1, max: 3, missing: 0%, unique: false, values: [1, 2, 3]}
  distance: {type: float, missing: 25%}
  carrier: {type: string, values: [AA, UA, ZZ]}
  at: {type: datetime, min: "2013-03-01", freshness: 2d}
  day: {type: date, freshness: 2d}
  late: {type: bool}
"""


def test_every_word_of_the_project_file_means_something_to_the_check(bench, same_process):
    bench.keep_table("prepare", TABLE.with_columns(day=pl.col("at").dt.date()))
    tables = {name: TableExpectation(**table_words) for name, table_words in yaml.safe_load(WORDS).items()}
    table_words = {word for table in tables.values() for column in table.to_spec().values() for word in column}
    assert {"freshness_s" if word == "freshness" else word for word in ColumnExpectation.model_fields} == table_words
    expect = {name: table.to_spec() for name, table in tables.items()}
    bench.spec = replace(bench.spec, expect=expect)
    check_result = run_check("data", bench.context(now=NOW))
    assert check_result.passed, check_result.summary


def test_times_in_text_have_an_age_and_other_text_is_said_to_have_none(expecting):
    assert column_summary._epoch_s("2013-03-07T00:00:00Z") == NOW - 86_400
    assert "its values are not times" in expecting(carrier={"freshness_s": 100}).summary


VALUES = {
    "decimal": ([Decimal("1.10"), Decimal("2.20")], "float"),
    "lists": ([[1, 2], [1, 2], None], "list"),
    "structures": ([{"k": 1}, {"k": 1}], "struct"),
    "binary": ([b"\xff\x00", b"a"], "b"),
    "nothing": ([None, None], ""),
    "large": ([2**63, 2**63 + 1], "int"),
    "durations": ([timedelta(seconds=1)], ""),
    "clock": ([time(1, 2)], ""),
    "gaps": ([True, None], "bool"),
}


@pytest.mark.parametrize("name", VALUES)
def test_no_type_of_a_table_is_too_odd_to_describe(name):
    values, kind = VALUES[name]
    table = pl.DataFrame({"x": pl.Series(values, dtype=pl.UInt64 if name == "large" else None)})
    for each in (table, table.to_pandas(), pd.DataFrame({"x": pd.Series(values, dtype=object)})):
        description = column_summary._column(each, "x", {"values": ["z"]})
        assert description["missing"] == values.count(None)
        assert description["outside"] == len(values) - values.count(None)
        if each is table:
            assert description["kind"].lower().startswith(kind)


def test_values_that_have_no_order_and_categories_of_pandas_are_described():
    mixed = column_summary._column(pd.DataFrame({"x": [1, "a", None]}), "x", {})
    assert (mixed["min"], mixed["max"], mixed["missing"]) == (None, None, 1)
    coded = column_summary._column(pd.DataFrame({"x": pd.Series(["b", "a"], dtype="category")}), "x", {"values": ["a"]})
    assert (coded["kind"], coded["min"], coded["outside_values"]) == ("string", "a", ["b"])


def test_a_column_that_is_not_there_is_named(expecting):
    check_result = expecting(tail={"missing": 0})
    assert not check_result.passed
    assert check_result.findings[0].path == "prepare.tail"


def test_an_empty_table_and_no_expectation_are_failures(bench, same_process):
    bench.keep_table("prepare", TABLE.head(0))
    bench.spec = replace(bench.spec, expect={"prepare": {"id": {"unique": True}}})
    check_result = run_check("data", bench.context())
    assert (check_result.passed, check_result.checked) == (False, 0)
    bench.spec = replace(bench.spec, expect={})
    assert "expects nothing" in run_check("data", bench.context()).summary


def test_an_output_that_is_no_table_or_is_not_there_is_a_reason(bench, same_process):
    bench.keep("prepare", bench.write("value.json", "{}").parent)
    bench.spec = replace(bench.spec, expect={"prepare": {"rows": {"min": 1}}})
    assert "0 tables found" in run_check("data", bench.context()).summary
    bench.outputs.clear()
    assert "no output 'prepare'" in run_check("data", bench.context()).summary


def test_polars_and_pandas_describe_a_column_alike(monkeypatch):
    table = flights(200).with_columns(noise=pl.when(pl.col("hour") > 12).then(None).otherwise(pl.col("noise")))
    frame = pd.DataFrame({name: table[name].to_list() for name in table.columns})
    for name in ("hour", "carrier", "noise", "late"):
        expectation = {"values": ["AA", 7.0, 1]}
        one, two = (column_summary._column(each, name, expectation) for each in (table, frame))
        assert sorted(one.pop("outside_values")) == sorted(two.pop("outside_values")) or name in ("hour", "noise")
        assert one == two


def test_infinity_is_above_every_limit(bench, same_process):
    bench.keep_table("prepare", pl.DataFrame({"x": [1.0, float("inf")]}))
    bench.spec = replace(bench.spec, expect={"prepare": {"x": {"max": 10}}})
    check_result = run_check("data", bench.context())
    assert not check_result.passed
    assert check_result.values[0].value == "inf"


@pytest.mark.integration
def test_in_the_projects_environment(bench):
    bench.keep_table("prepare", TABLE)
    bench.spec = replace(bench.spec, expect={"prepare": {"rows": {"min": 4}}})
    assert run_check("data", bench.context()).passed


@pytest.mark.parametrize("packing", ["csv", "csv.gz"])
def test_a_source_is_read_as_steps_read_it(bench, same_process, packing):
    text = "Straße;zip\nA;01234\nÖ;00501\n".encode("latin-1")
    path = bench.root / f"rows.{packing}"
    path.write_bytes(gzip.compress(text) if packing == "csv.gz" else text)
    bench.keep("raw", path)
    read = {"separator": ";", "encoding": "latin-1", "types": {"zip": "text"}}
    source = SourceSpec("raw", f"file://{path.name}", "public", "AE", read)
    expect = {"raw": {"zip": {"values": ["01234", "00501"]}, "Straße": {"values": ["A", "Ö"]}}}
    bench.spec = replace(bench.spec, expect=expect, data={"raw": source})
    assert run_check("data", bench.context(now=NOW)).passed
    bench.spec = replace(bench.spec, data={"raw": replace(source, read={"separator": ";"})})
    summary = run_check("data", bench.context(now=NOW)).summary
    assert "the byte 0x" in summary
    assert "encoding: latin-1" in summary
