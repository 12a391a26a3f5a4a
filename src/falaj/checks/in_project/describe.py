"""Describe the columns of tables: what the data check holds against the project's expectations.

Task: `tables` {name: path}, `columns` {table: {column: {"values": list | None}}}.
Result: `tables` {table: {"problem": text} | {"rows": n, "columns": {column: description | None}}}, `tools`.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from .problems import ProblemError
from .tables import column_names, is_polars, read_table

SHOWN_VALUES = 5
KINDS = (
    *((start, "text") for start in ("string", "utf8", "object", "str", "categor", "enum")),
    *((start, "integer") for start in ("int", "uint")),
    *((start, "number") for start in ("float", "decimal")),
    ("bool", "boolean"),
    ("datetime", "datetime"),
    ("date", "date"),
)
"""How the names of polars' and pandas' types begin, and what an expectation calls them."""


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Describe the named columns of every table."""
    found: dict[str, Any] = {}
    tools: dict[str, str] = {}
    for name, path in task["tables"].items():
        try:
            table = read_table(Path(path))
        except ProblemError as problem:
            found[name] = {"problem": str(problem)}
            continue
        library = __import__("polars" if is_polars(table) else "pandas")
        tools[library.__name__] = library.__version__
        wanted = task["columns"][name]
        found[name] = {
            "rows": len(table),
            "columns": {column: _column(table, column, wanted[column]) for column in wanted},
        }
    return {"tables": found, "tools": tools}


def _column(table: Any, name: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """A column's description; None when the table has no such column."""
    if name not in column_names(table):
        return None
    values = table[name]
    present = _present_polars(values) if is_polars(table) else values.dropna()
    lowest, highest = (present.min(), present.max()) if len(present) else (None, None)
    return {
        "kind": kind(str(values.dtype)),
        "missing": len(values) - len(present),
        "min": plain(lowest),
        "max": plain(highest),
        "newest_s": _epoch_s(highest),
        "repeated": len(present) - int(present.n_unique() if is_polars(table) else present.nunique()),
        **_outside(present, wanted.get("values"), is_polars(table)),
    }


def _present_polars(values: Any) -> Any:
    present = values.drop_nulls()
    return present.drop_nans() if values.dtype.is_float() else present


def _outside(present: Any, allowed: list[Any] | None, polars: bool) -> dict[str, Any]:
    """How many values are none of the allowed ones, and some of them."""
    if allowed is None:
        return {"outside": 0, "outside_values": []}
    if polars:
        pairs = zip(present.unique(maintain_order=True).to_list(), present.unique_counts().to_list(), strict=True)
    else:
        pairs = present.value_counts(sort=False).items()
    wrong = [(value, int(count)) for value, count in pairs if value not in allowed]
    return {"outside": sum(n for _, n in wrong), "outside_values": [str(value) for value, _ in wrong[:SHOWN_VALUES]]}


def kind(dtype: str) -> str:
    """The kind of a polars or pandas type: integer, number, text, boolean, date, datetime; else the type itself."""
    name = dtype.lower()
    return next((found for start, found in KINDS if name.startswith(start)), dtype)


def plain(value: Any) -> float | str | None:
    """A value as JSON keeps it: a number, or text (ISO 8601 for times)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else str(number)  # JSON has no infinity


def _epoch_s(value: Any) -> float | None:
    """Seconds since the epoch of a time; one without a zone is taken as UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return None
