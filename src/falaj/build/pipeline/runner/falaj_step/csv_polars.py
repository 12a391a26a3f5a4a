"""CSV files as polars tables."""

from __future__ import annotations

from .csv_columns import FALSE, INFERRED_FROM, TRUE

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

    from .csv_columns import Columns


def read_polars(source: Any, separator: str, nulls: list[str], columns: Columns) -> Any:
    """The table; raises an error of polars for a value that is not of its column's type."""
    import polars as pl

    raw = {name.replace('"', '""'): name for name in columns.header}  # polars leaves quotes in names doubled
    table = pl.read_csv(
        source,
        glob=False,  # a file may have any name
        separator=separator,
        null_values=nulls,
        columns=None if columns.selected is None else [each for each, name in raw.items() if name in columns.selected],
        infer_schema_length=INFERRED_FROM,
        schema_overrides={each: pl.String for each, name in raw.items() if name in columns.as_text},
    )
    table = table.rename({each: raw[each] for each in table.columns}).select(columns.names)
    for name in columns.undeclared:
        if table[name].dtype == pl.String:
            first = table[name].head(INFERRED_FROM).drop_nulls()
            columns.require_one_type(name, len(table), len(first), bool(first.str.contains(columns.number.only).all()))
    return table.with_columns(_converted(table[name], columns, pl) for name in columns.as_text)


def _converted(texts: Any, columns: Columns, pl: Any) -> Any:
    present = texts.drop_nulls()
    kind = columns.kind(texts.name, lambda pattern: len(present) > 0 and bool(present.str.contains(pattern).all()))
    form = columns.formats.get(texts.name)
    if kind in ("int", "float"):
        return _plain(texts, columns).cast(pl.Int64 if kind == "int" else pl.Float64)
    if kind == "bool":
        words = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}
        return texts.str.to_lowercase().replace_strict(words, return_dtype=pl.Boolean)
    if kind == "date":
        return texts.str.to_date(form)
    return texts.str.to_datetime(form, time_unit="us") if kind == "datetime" else texts


def _plain(texts: Any, columns: Columns) -> Any:
    number = columns.number
    if number.group:
        texts = texts.str.replace_all(number.group, "")
    return texts if number.decimal == "." else texts.str.replace(number.decimal, ".", literal=True)
