"""CSV files as pandas tables."""

from __future__ import annotations

from .csv_columns import FALSE, INFERRED_FROM, TRUE

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

    from .csv_columns import Columns


def read_pandas(source: Any, separator: str, nulls: list[str], columns: Columns) -> Any:
    """The table; raises a ValueError for a value that is not of its column's type."""
    import io

    import pandas as pd

    table = pd.read_csv(
        io.BytesIO(source) if isinstance(source, bytes) else source,
        sep=separator,
        na_values=nulls,
        keep_default_na=False,
        usecols=columns.selected,
        dtype=dict.fromkeys(columns.as_text, str),
        index_col=False,
        low_memory=False,  # in parts, a column of numbers and text would hold both
    )[columns.names]
    for name in columns.undeclared:
        if len(table) > INFERRED_FROM and pd.api.types.is_string_dtype(table[name].dtype):
            first = table[name].iloc[:INFERRED_FROM].dropna()
            columns.require_one_type(name, len(table), len(first), bool(first.str.match(columns.number.only).all()))
    for name in columns.as_text:
        table[name] = _converted(table[name], columns, pd)
    return table


def _converted(texts: Any, columns: Columns, pd: Any) -> Any:
    present = texts.dropna()
    kind = columns.kind(texts.name, lambda pattern: len(present) > 0 and bool(present.str.match(pattern).all()))
    form = columns.formats.get(texts.name)
    if kind == "int":
        whole = _plain(present, columns).astype("int64")
        return whole if len(whole) == len(texts) else whole.astype("Int64").reindex(texts.index)
    if kind == "float":
        return _plain(present, columns).astype("float64").reindex(texts.index)
    if kind == "bool":
        truths = _truths(present)
        return truths if len(truths) == len(texts) else truths.astype("boolean").reindex(texts.index)
    if kind in ("date", "datetime"):
        return pd.to_datetime(texts, format=form or "ISO8601")
    return texts


def _plain(texts: Any, columns: Columns) -> Any:
    number = columns.number
    if number.group:
        texts = texts.str.replace(number.group, "", regex=True)
    return texts if number.decimal == "." else texts.str.replace(number.decimal, ".", regex=False)


def _truths(present: Any) -> Any:
    lower = present.str.lower()
    wrong = present[~lower.isin([*TRUE, *FALSE])]
    if len(wrong):
        raise ValueError(f"{wrong.iloc[0]!r} is neither true nor false")
    return lower.isin(TRUE)
