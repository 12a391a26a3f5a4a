"""The table that a model was trained on: its library, the types of its columns, categories and their order.

An estimator answers by what it is given: a polars null is another category than a pandas NaN, a category is a number by
its place in the list of categories. So the form is written down when a model is saved, and whoever asks the model
(gates, packaging, replicas) gives it tables of that form. What is no known category is missing. Standard library only;
the library of the table is imported when one is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

_DAYS = "date"
"""The type of a pandas column of `datetime.date`, for which pandas has no type of its own."""
_FLAGS = "flags"
"""The type of a pandas column of True, False and missing values, for which pandas has `object`."""
_TIMES = ("datetime64[", "Date", "date", "timestamp[")  # of pandas, polars and Arrow
_ZONE = re.compile(r"(?:, |tz=|time_zone=')(?P<zone>[A-Z][\w/+-]*)'?[\])]$")

METADATA = "falaj"
"""Entry of `metadata` in MLmodel that holds the record."""


@dataclass(frozen=True)
class TrainingColumn:
    """One column.

    Attributes:
        name: Its name.
        type: The library's name of its type.
        categories: Values in their order; None for other columns, and where the library orders them by itself.
        ordered: Whether the order of the categories means something.
        nan: Whether missing values of an object column were NaN, not None.
    """

    name: str
    type: str
    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    nan: bool = False


@dataclass(frozen=True)
class TrainingTable:
    """The form of a table.

    Attributes:
        library: `pandas`, `polars` or `pyarrow`.
        columns: In their order.
    """

    library: str
    columns: tuple[TrainingColumn, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for MLmodel; what is as by default is left out."""
        columns = [{name: value for name, value in asdict(column).items() if value} for column in self.columns]
        for column in columns:
            if "categories" in column:
                column["categories"] = list(column["categories"])
        return {"library": self.library, "columns": columns}

    def frame(self, arrays: Mapping[str, Any]) -> Any:
        """A table of this form.

        Args:
            arrays: One array a column: numbers with NaN for missing ones, texts with None, times as texts in ISO 8601.
        """
        times = {each.name: _moments(arrays[each.name], each.type) for each in self.columns if _is_time(each)}
        arrays = {**arrays, **times}
        return _MAKERS[self.library](self, arrays)


def from_metadata(document: Mapping[str, Any]) -> TrainingTable | None:
    """The record in a parsed MLmodel; None where it has none."""
    entry = ((document.get("metadata") or {}).get(METADATA) or {}).get("table")
    if not entry or entry["library"] not in _MAKERS:
        return None
    columns = (
        TrainingColumn(**{**column, "categories": tuple(column["categories"]) if "categories" in column else None})
        for column in entry["columns"]
    )
    return TrainingTable(entry["library"], tuple(columns))


def describe(table: Any) -> TrainingTable:
    """The form of a pandas, polars or Arrow table."""
    library = type(table).__module__.partition(".")[0]
    if library == "pandas":
        return TrainingTable(library, tuple(_of_pandas(table[name], str(name)) for name in table.columns))
    if library == "polars":
        return TrainingTable(library, tuple(_of_polars(table[name]) for name in table.columns))
    return TrainingTable("pyarrow", tuple(TrainingColumn(field.name, str(field.type)) for field in table.schema))


def _is_time(column: TrainingColumn) -> bool:
    return column.categories is None and column.type.startswith(_TIMES)


def _moments(values: Any, column_type: str) -> list[datetime | None]:
    """Texts in ISO 8601 as moments: of UTC, named so only where the column's type has a zone."""
    named = _ZONE.search(column_type) is not None
    return [None if value is None or value != value else _moment(value, named) for value in values]


def _moment(value: Any, named: bool) -> datetime:
    moment = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if named else moment.replace(tzinfo=None)


def _of_pandas(series: Any, name: str) -> TrainingColumn:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return TrainingColumn(name, "category", tuple(dtype.categories.tolist()), bool(dtype.ordered))
    if str(dtype) == "object" and _holds_days(series):
        return TrainingColumn(name, _DAYS)
    nan = str(dtype) == "object" and any(isinstance(value, float) and value != value for value in series)
    return TrainingColumn(name, _FLAGS if str(dtype) == "object" and _holds_flags(series) else str(dtype), nan=nan)


def _holds_days(series: Any) -> bool:
    present = series.dropna()
    return len(present) > 0 and all(type(value) is date for value in present)


def _holds_flags(series: Any) -> bool:
    present = series.dropna()
    return len(present) > 0 and all(type(value) is bool for value in present)


def _of_polars(series: Any) -> TrainingColumn:
    dtype = series.dtype
    categories = tuple(dtype.categories.to_list()) if type(dtype).__name__ == "Enum" else None
    return TrainingColumn(series.name, type(dtype).__name__ if categories else str(dtype), categories)


def _pandas(table: TrainingTable, arrays: Mapping[str, Any]) -> Any:
    pandas = import_module("pandas")
    return pandas.DataFrame({each.name: _pandas_column(pandas, each, arrays[each.name]) for each in table.columns})


def _pandas_column(pandas: Any, column: TrainingColumn, values: Any) -> Any:
    if column.categories is not None:
        dtype = pandas.CategoricalDtype(list(column.categories), ordered=column.ordered)
        codes = dtype.categories.get_indexer(_plain(values))  # -1, which is missing, for what is none of them
        return pandas.Categorical.from_codes(codes, dtype=dtype)
    if column.type == _DAYS:
        return pandas.Series([value and value.date() for value in values], dtype=object)
    if column.type == _FLAGS:
        missing = float("nan") if column.nan else None
        flags = [missing if value is None or value != value else bool(value) for value in values]
        return pandas.Series(flags, dtype=object)
    if column.nan:
        values = [float("nan") if value is None else value for value in values]
    try:
        return pandas.Series(values, dtype=column.type)
    except (TypeError, ValueError):  # missing numbers in a type that has none
        return pandas.Series(values)


def _plain(values: Any) -> Any:
    """Floats that are whole as the numbers that the categories are; others as they are."""
    return values.tolist() if values.dtype.kind == "f" else values


def _polars(table: TrainingTable, arrays: Mapping[str, Any]) -> Any:
    polars = import_module("polars")
    return polars.DataFrame([_polars_column(polars, column, arrays[column.name]) for column in table.columns])


def _polars_column(polars: Any, column: TrainingColumn, values: Any) -> Any:
    if _is_time(column):
        return _polars_times(polars, column, values)
    series = polars.Series(column.name, values.tolist() if values.dtype.kind == "O" else values)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if series.dtype == polars.Null:
        series = series.cast(polars.String)
    if column.categories is not None:
        mask = series.is_in(list(column.categories))
        return series.set(~mask.fill_null(False), None).cast(polars.Enum(list(column.categories)))
    dtype = getattr(polars, column.type.partition("(")[0], None)
    return series if dtype is None or "(" in column.type else series.cast(dtype, strict=False)


def _polars_times(polars: Any, column: TrainingColumn, values: Any) -> Any:
    unit, zone = re.search("'(ms|us|ns)'", column.type), _ZONE.search(column.type)
    series = polars.Series(column.name, values, dtype=polars.Datetime("us", "UTC" if zone else None))
    if column.type == "Date":
        return series.cast(polars.Date)
    return series.cast(polars.Datetime(unit[1] if unit else "us", zone["zone"] if zone else None))


def _arrow(table: TrainingTable, arrays: Mapping[str, Any]) -> Any:
    pyarrow = import_module("pyarrow")
    arrow_columns = {each.name: pyarrow.array(arrays[each.name], from_pandas=True) for each in table.columns}
    for each in table.columns:
        if _is_time(each):
            arrow_columns[each.name] = _arrow_times(pyarrow, each, arrays[each.name])
            continue
        try:
            arrow_columns[each.name] = arrow_columns[each.name].cast(pyarrow.type_for_alias(each.type))
        except (ValueError, pyarrow.ArrowInvalid):
            continue
    return pyarrow.table(arrow_columns)


def _arrow_times(pyarrow: Any, column: TrainingColumn, values: Any) -> Any:
    zone = _ZONE.search(column.type)
    moments = pyarrow.array(values, type=pyarrow.timestamp("us", tz="UTC" if zone else None))
    if zone is None:
        return moments.cast(pyarrow.type_for_alias(column.type))
    return moments.cast(pyarrow.timestamp(column.type[10:12].strip(","), tz=zone["zone"]))


_MAKERS = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}
