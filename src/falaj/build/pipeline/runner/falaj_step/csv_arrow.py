"""CSV files as Arrow tables."""

from __future__ import annotations

from .csv_columns import FALSE, INFERRED_FROM, TRUE

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

    from .csv_columns import Columns


def read_arrow(source: Any, separator: str, nulls: list[str], columns: Columns) -> Any:
    """The table; raises an error of Arrow for a value that is not of its column's type."""
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(
        null_values=nulls,
        strings_can_be_null=True,
        include_columns=columns.selected,
        column_types={name: pa.string() for name in columns.as_text},
    )
    table = csv.read_csv(
        readable(source),
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=convert,
    )
    for name in columns.undeclared:
        if pa.types.is_string(table[name].type):
            first = table[name].slice(0, INFERRED_FROM).drop_null()
            columns.require_one_type(name, len(table), len(first), _all_match(first, columns.number.only))
    for name in columns.as_text:
        converted = _converted(name, table[name], columns, pa)
        table = table.set_column(table.column_names.index(name), name, converted)
    return table


def readable(source: Any) -> Any:
    """What Arrow reads: a path as it is; bytes as memory of Arrow's own.

    Threads of Arrow let go of what they read after the table is there. Memory of Python they can let go of only while
    Python runs: a step that had ended by then was aborted.
    """
    import pyarrow as pa

    if not isinstance(source, bytes):
        return source
    stream = pa.BufferOutputStream()
    stream.write(source)
    return pa.BufferReader(stream.getvalue())


def _converted(name: str, texts: Any, columns: Columns, pa: Any) -> Any:
    import pyarrow.compute as pc

    kind = columns.kind(name, lambda pattern: _all_match(texts, pattern))
    form = columns.formats.get(name)
    if kind in ("int", "float"):
        return pc.cast(_plain(texts, columns, pc), pa.int64() if kind == "int" else pa.float64())
    if kind == "bool":
        return _truths(texts, pa, pc)
    if kind in ("date", "datetime"):
        target = pa.date32() if kind == "date" else pa.timestamp("us")
        times = pc.strptime(texts, form, "us") if form else texts
        return pc.cast(times, target)
    return texts


def _all_match(texts: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def _plain(texts: Any, columns: Columns, pc: Any) -> Any:
    number = columns.number
    if number.group:
        texts = pc.replace_substring_regex(texts, number.group, "")
    return texts if number.decimal == "." else pc.replace_substring(texts, number.decimal, ".")


def _truths(texts: Any, pa: Any, pc: Any) -> Any:
    lower = pc.utf8_lower(texts)
    truth_mask = pc.is_in(lower, pa.array([*TRUE, *FALSE]))
    wrong = pc.filter(texts, pc.and_(pc.is_valid(texts), pc.invert(truth_mask)))
    if len(wrong):
        raise pa.ArrowInvalid(f"{wrong[0].as_py()!r} is neither true nor false")
    return pc.if_else(pc.is_valid(texts), pc.is_in(lower, pa.array([*TRUE])), pa.scalar(None, pa.bool_()))
