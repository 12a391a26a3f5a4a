"""Data validation: the tables of the run beside what the project expects of them (`expect` in falaj.yaml).

An expectation of a column may say `min`, `max`, `missing` (largest share of missing values), `unique`, `values` (the
allowed ones), `type` (int, float, string, bool, date, datetime) and `freshness_s` (largest age of the newest value);
`rows` in place of a column stands for their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.results import CheckResult, CheckValue, Finding
from falaj.build.checks.scoring import run_in_project

TIMEOUT_S = 900.0
ROWS = "rows"


def check(context: CheckContext) -> CheckResult:
    """Hold every table that the project has expectations of against them."""
    expect = context.spec.expect
    if not expect:
        raise CheckError("the project expects nothing of its data", hint="add `expect` to falaj.yaml")
    tables = {name: str(context.fetch(name)) for name in expect}
    columns = {
        table: {name: {"values": expectation.get("values")} for name, expectation in expected.items() if name != ROWS}
        for table, expected in expect.items()
    }
    result = run_in_project(context, "column_summary", {"tables": tables, "columns": columns}, timeout_s=TIMEOUT_S,
                            readable=map(Path, tables.values()))  # fmt: skip
    values = tuple(
        value
        for table, expected in expect.items()
        for value in judge_table(table, expected, result["tables"][table], context.now)
    )
    return _result(
        values, sum(table.get("rows", 0) for table in result["tables"].values()), result["tools"], len(expect)
    )


def _result(values: tuple[CheckValue, ...], rows: int, tools: Mapping[str, str], tables: int) -> CheckResult:
    wrong = [value for value in values if not value.passed]
    findings = tuple(Finding(value.where, 0, value.name, describe(value)) for value in wrong)
    first = f": {findings[0].path} {findings[0].message}" if findings else ""
    summary = f"{len(values)} expectations of {tables} tables with {rows} rows, {len(wrong)} not met{first}"
    checked = len(values) if rows else 0
    return CheckResult("data", not wrong, summary, checked, values, tools, findings)


def describe(value: CheckValue) -> str:
    """A value beside its limit, for people."""
    return f"{value.name} is {value.value}, expected {value.op} {value.limit}"


def judge_table(
    table: str, expected: Mapping[str, Mapping[str, Any]], summary: Mapping[str, Any], now: float
) -> Iterator[CheckValue]:
    """Each expectation of a table as a value beside its limit.

    Args:
        table: Its name.
        expected: Column to expectation.
        summary: What `runner.column_summary` says of it.
        now: Seconds since the epoch.
    """
    if "problem" in summary:
        yield CheckValue("table", summary["problem"], "readable", "is", False, table)
        return
    for name, expectation in expected.items():
        where = f"{table}.{name}"
        if name == ROWS:
            yield from _bounds(ROWS, summary["rows"], expectation, table)
        elif summary["columns"][name] is None:
            yield CheckValue(f"{name}", "missing", "present", "is", False, where)
        else:
            yield from judge_column(where, expectation, summary["columns"][name], summary["rows"], now)


def judge_column(
    where: str, expectation: Mapping[str, Any], summary: Mapping[str, Any], rows: int, now: float
) -> Iterator[CheckValue]:
    """Each expectation of a column as a value beside its limit.

    Raises:
        CheckError: The expectation has a word that means nothing here.
    """
    unknown = expectation.keys() - _EXPECTATIONS
    if unknown:
        raise CheckError(f"an expectation has no {', '.join(sorted(unknown))}", where=f"expect.{where}")
    if "type" in expectation:
        kinds = {summary["kind"]} | ({"float"} if summary["kind"] == "int" else set())
        yield CheckValue("type", summary["kind"], expectation["type"], "==", expectation["type"] in kinds, where)
    if "min" in expectation:
        yield _compared("min", summary["min"], expectation["min"], ">=", where)
    if "max" in expectation:
        yield _compared("max", summary["max"], expectation["max"], "<=", where)
    if "missing" in expectation:
        share = summary["missing"] / rows if rows else 1.0
        yield CheckValue("missing", share, expectation["missing"], "<=", share <= expectation["missing"], where)
    if expectation.get("unique"):
        yield CheckValue("repeated", summary["repeated"], 0, "<=", summary["repeated"] == 0, where)
    if "values" in expectation:
        allowed = ", ".join(map(str, expectation["values"]))
        shown = ", ".join(summary["outside_values"]) or None
        yield CheckValue("values", shown, allowed, "in", summary["outside"] == 0, where)
    if "freshness_s" in expectation:
        age = None if summary["newest_s"] is None else now - summary["newest_s"]
        fresh = age is not None and age <= expectation["freshness_s"]
        shown = "not known: its values are not times" if age is None else age
        yield CheckValue("age_s", shown, expectation["freshness_s"], "<=", fresh, where)


_EXPECTATIONS = {"type", "min", "max", "missing", "unique", "values", "freshness_s"}


def _bounds(name: str, value: float, expectation: Mapping[str, Any], where: str) -> Iterator[CheckValue]:
    if "min" in expectation:
        yield CheckValue(name, value, expectation["min"], ">=", value >= expectation["min"], where)
    if "max" in expectation:
        yield CheckValue(name, value, expectation["max"], "<=", value <= expectation["max"], where)


def _compared(name: str, value: Any, limit: Any, op: str, where: str) -> CheckValue:
    """Numbers with numbers, text (also times, in ISO 8601) with text; anything else, or no value, is a failure."""
    comparable = value is not None and isinstance(value, str) == isinstance(limit, str)
    holds = comparable and (value >= limit if op == ">=" else value <= limit)
    return CheckValue(name, value, limit, op, holds, where)
