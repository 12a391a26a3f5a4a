"""Describe the columns of tables: what the data check holds against the project's expectations.

Task: `tables` {name: path}, `columns` {table: {column: {"values": list | None}}}.
Result: `tables` {table: {"problem": text} | {"rows": n, "columns": {column: description | None}}}, `tools`.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from .problems import ProblemError
from .tables import column_names, is_polars, read_table

SHOWN_VALUES = 5
KINDS = (
    *((start, start) for start in ("struct", "interval")),  # which begin like others and are none of them
    *((start, "string") for start in ("string", "utf8", "object", "str", "categor", "enum")),
    *((start, "int") for start in ("int", "uint")),
    *((start, "float") for start in ("float", "decimal", "double")),
    ("bool", "bool"),
    ("datetime", "datetime"),
    ("date", "date"),
    ("floating", "float"),
    ("mixed-integer-float", "float"),
)
"""How the names of polars' and pandas' types begin, and what an expectation calls them."""


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Describe the named columns of every table."""
    summaries: dict[str, Any] = {}
    tools: dict[str, str] = {}
    for name, path in task["tables"].items():
        try:
            table = read_table(Path(path))
        except ProblemError as problem:
            summaries[name] = {"problem": str(problem)}
            continue
        library = __import__("polars" if is_polars(table) else "pandas")
        tools[library.__name__] = library.__version__
        expectations = task["columns"][name]
        summaries[name] = {
            "rows": len(table),
            "columns": {column: _column(table, column, expectations[column]) for column in expectations},
        }
    return {"tables": summaries, "tools": tools}


def _column(table: Any, name: str, expectation: dict[str, Any]) -> dict[str, Any] | None:
    """A column's description; None when the table has no such column."""
    if name not in column_names(table):
        return None
    values = table[name]
    polars = is_polars(table)
    present = _present_polars(values) if polars else _plain_pandas(values.dropna())
    lowest, highest = _extremes(present)
    return {
        "kind": kind(str(values.dtype) if polars else _pandas_type(present)),
        "missing": len(values) - len(present),
        "min": plain(lowest),
        "max": plain(highest),
        "newest_s": _epoch_s(highest),
        "repeated": len(present) - _distinct(present, polars),
        **_outside(present, expectation.get("values")),
    }


def _present_polars(values: Any) -> Any:
    present = values.drop_nulls()
    return present.drop_nans() if values.dtype.is_float() else present


def _plain_pandas(present: Any) -> Any:
    """Categories as what they are categories of: only ordered ones have a smallest and a largest."""
    categories = getattr(present.dtype, "categories", None)
    return present if categories is None else present.astype(categories.dtype)


def _pandas_type(present: Any) -> str:
    """The type of the values; a column of Python objects is what its values are."""
    if str(present.dtype) != "object":
        return str(present.dtype)
    from pandas.api.types import infer_dtype

    return str(infer_dtype(present, skipna=True)) if len(present) else "object"


def _extremes(present: Any) -> tuple[Any, Any]:
    """Smallest and largest value; None of values that have no order, such as lists."""
    try:
        return (present.min(), present.max()) if len(present) else (None, None)
    except Exception:  # each library and type has an error of its own
        return None, None


def _distinct(present: Any, polars: bool) -> int:
    try:
        return int(present.n_unique() if polars else present.nunique())
    except Exception:  # lists and other values that cannot be counted as they are
        return len(_counted(present))


def _outside(present: Any, allowed: list[Any] | None) -> dict[str, Any]:
    """How many values are none of the allowed ones, and some of them."""
    if allowed is None:
        return {"outside": 0, "outside_values": []}
    wrong = {str(value): count for value, count in _counted(present).items() if value not in allowed}
    return {"outside": sum(wrong.values()), "outside_values": list(wrong)[:SHOWN_VALUES]}


def _counted(present: Any) -> Counter[Any]:
    values = present.to_list()
    try:
        return Counter(values)
    except TypeError:  # lists and other values that cannot be counted as they are
        return Counter(map(repr, values))


def kind(dtype: str) -> str:
    """The kind of a polars or pandas type: int, float, string, bool, date, datetime; else the type itself."""
    name = dtype.lower()
    return next((kind_name for start, kind_name in KINDS if name.startswith(start)), dtype)


def plain(value: Any) -> float | str | None:
    """A value as JSON keeps it: a number, or text (ISO 8601 for times)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else str(number)  # JSON has no infinity


def _epoch_s(value: Any) -> float | None:
    """Seconds since the epoch of a time, also one in text; one without a zone is taken as UTC."""
    if isinstance(value, str):
        value = _time_of_text(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return None


def _time_of_text(text: str) -> datetime | None:
    """A time in ISO 8601, as files of text have them."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
