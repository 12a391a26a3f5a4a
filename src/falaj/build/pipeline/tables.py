"""Rows of another system as one Parquet file, written batch by batch in bounded memory.

The same rows in the same order give the same bytes: row groups are cut by rows, never by how the rows arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from falaj.build.pipeline.errors import SourceError

GROUP_ROWS = 131_072
"""Rows of a row group."""
_MOST_DIGITS = 38


@dataclass(frozen=True)
class Bounds:
    """What must hold of the rows.

    Attributes:
        name: The source, for messages.
        max_rows: How many there may be.
        key: Columns by which the rows are sorted, and which no two of them share; empty where rows have no order.
    """

    name: str
    max_rows: int
    key: tuple[str, ...] = ()


def write_parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, target: Path, bounds: Bounds) -> pa.Schema:
    """Write batches as a Parquet file whose bytes depend on the rows alone.

    Args:
        batches: The rows, in their order.
        schema: As the other system gives it.
        target: The file.
        bounds: What must hold.

    Returns:
        The schema of the file.

    Raises:
        SourceError: A column has no type that a Parquet file can hold, or the rows are not as `bounds` asks.
    """
    _require_types(schema, bounds.name)
    final = pa.schema([_plain_field(each) for each in schema])
    numbers = {
        name for name in schema.names if _is_numeric(schema.field(name)) and final.field(name).type == pa.string()
    }
    watched = _Watched(bounds, numbers)
    first = target.with_suffix(".text") if numbers else target
    with pq.ParquetWriter(first, final, compression="zstd") as writer:
        for table in _groups((_plain_batch(each, final) for each in watched.through(batches)), final):
            writer.write_table(table, row_group_size=GROUP_ROWS)
    return _with_decimals(first, target, watched.scales()) if numbers else final


def _require_types(schema: pa.Schema, name: str) -> None:

    for each in schema:
        opaque = isinstance(each.type, pa.OpaqueType) and not _is_numeric(each)
        if opaque or pa.types.is_interval(each.type) or pa.types.is_null(each.type):
            kind = each.type.type_name if opaque else str(each.type)
            raise SourceError(
                f"data source `{name}`: the column `{each.name}` is of type {kind}, which a Parquet file does not have",
                hint=f"cast it in the query, such as {each.name}::text",
            )


def _is_numeric(column: pa.Field) -> bool:

    return isinstance(column.type, pa.OpaqueType) and column.type.type_name == "numeric"


def _plain_field(column: pa.Field) -> pa.Field:
    """The column without what only the driver knows of it."""
    kind = column.type
    if _is_numeric(column):
        kind = _declared_decimal(column) or pa.string()
    elif isinstance(kind, pa.UuidType | pa.JsonType):
        kind = pa.string()
    elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        kind = pa.string() if pa.types.is_string_view(kind) else pa.binary()
    return pa.field(column.name, kind, column.nullable)


def _declared_decimal(column: pa.Field) -> pa.DataType | None:
    """The decimal of `numeric(precision, scale)`; None of a `numeric` without."""
    modifier = int((column.metadata or {}).get(b"POSTGRESQL:typmod", b"-1")) - 4
    precision, scale = modifier >> 16, modifier & 0x7FF
    fits = modifier >= 0 and precision <= _MOST_DIGITS and scale <= precision
    return pa.decimal128(precision, scale) if fits else None


def _plain_batch(batch: pa.RecordBatch, final: pa.Schema) -> pa.Table:

    return pa.Table.from_arrays(
        [_plain(each, kind.type) for each, kind in zip(batch.columns, final, strict=True)], schema=final
    )


def _plain(column: pa.Array, kind: pa.DataType) -> pa.Array:

    if isinstance(column.type, pa.UuidType):
        return pa.array([None if each is None else str(each) for each in column.to_pylist()], pa.string())
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return pc.cast(column, kind)


def _groups(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of `GROUP_ROWS` each, the last one with what is left."""
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= GROUP_ROWS:
            yield waiting.slice(0, GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()


class _Watched:
    """Rows on their way: how many they are, whether the key tells them apart, how many digits their numbers have."""

    def __init__(self, bounds: Bounds, numbers: Iterable[str]) -> None:
        self._bounds = bounds
        self._rows = 0
        self._last: list[Any] | None = None
        self._digits = dict.fromkeys(sorted(numbers), (0, 0))

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._count(batch)
            self._require_key(batch)
            for name in self._digits:
                self._measure(name, batch.column(name))
            yield batch

    def scales(self) -> dict[str, int]:
        """Digits behind the point, by column."""
        for name, (whole, scale) in self._digits.items():
            if whole + scale > _MOST_DIGITS:
                raise self._error(f"`{name}` has numbers of {whole + scale} digits", f"{name}::numeric(38, 9), say")
        return {name: scale for name, (_, scale) in self._digits.items()}

    def _count(self, batch: pa.RecordBatch) -> None:
        self._rows += batch.num_rows
        if self._rows > self._bounds.max_rows:
            raise self._error(
                f"there are more than {self._bounds.max_rows:,} rows",
                "a narrower query, or `max_rows` of the connection",
            )

    def _require_key(self, batch: pa.RecordBatch) -> None:

        columns = [_comparable(batch.column(name)) for name in self._bounds.key]
        if not columns or not batch.num_rows:
            return
        empty = [name for name, each in zip(self._bounds.key, columns, strict=True) if each.null_count]
        if empty:
            raise self._error(f"the key column `{empty[0]}` is NULL in some rows", "columns that tell the rows apart")
        same = pa.repeat(True, batch.num_rows - 1)
        for each in columns:
            same = pc.and_(same, pc.equal(each[:-1], each[1:]))
        first = [each[0] for each in columns]
        if pc.any(same).as_py() or first == self._last:
            raise self._error(
                f"two rows share the key ({', '.join(self._bounds.key)})", "columns that tell the rows apart"
            )
        self._last = [each[-1] for each in columns]

    def _measure(self, name: str, column: pa.Array) -> None:

        text = column.storage
        if pc.any(pc.match_substring_regex(text, "[^0-9.-]")).as_py():
            raise self._error(f"`{name}` has numbers that are not finite", f"{name}::float8, or leave them out")
        digits = pc.utf8_length(pc.replace_substring(text, "-", ""))
        point = pc.find_substring(text, ".")
        scale = pc.if_else(
            pc.equal(point, -1), pa.scalar(0, pa.int32()), pc.subtract(pc.subtract(pc.utf8_length(text), point), 1)
        )
        whole = pc.subtract(pc.subtract(digits, scale), pc.cast(pc.greater(scale, 0), pa.int32()))
        before = self._digits[name]
        most = [pc.max(each).as_py() or 0 for each in (whole, scale)]
        self._digits[name] = (max(before[0], most[0]), max(before[1], most[1]))

    def _error(self, message: str, hint: str) -> SourceError:
        return SourceError(f"data source `{self._bounds.name}`: {message}", hint=hint)


def _comparable(column: pa.Array) -> pa.Array:

    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _with_decimals(source: Path, target: Path, scales: Mapping[str, int]) -> pa.Schema:
    """The file with decimals in place of numbers that were text until all of them had been seen."""
    reader = pq.ParquetFile(source)
    before = reader.schema_arrow
    decimals = {name: pa.decimal128(_MOST_DIGITS, scale) for name, scale in scales.items()}
    final = pa.schema([pa.field(each.name, decimals.get(each.name, each.type), each.nullable) for each in before])
    with pq.ParquetWriter(target, final, compression="zstd") as writer:
        for index in range(reader.num_row_groups):
            table = reader.read_row_group(index)
            columns = [pc.cast(column, kind.type) for column, kind in zip(table.columns, final, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=final), row_group_size=GROUP_ROWS)
    source.unlink()
    return final


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """Type by column, in words."""
    return {each.name: str(each.type) for each in schema}


def require_columns(schema: pa.Schema, key: Sequence[str], name: str) -> None:
    """Refuse columns that have the same name, and a key of columns that are not there.

    Raises:
        SourceError: Two share a name, or one is missing.
    """
    doubles = {each for each in schema.names if schema.names.count(each) > 1}
    if doubles:
        raise SourceError(
            f"data source `{name}`: two columns are called `{min(doubles)}`", hint="`AS` names them apart"
        )
    missing = [each for each in key if each not in schema.names]
    if missing:
        columns = ", ".join(schema.names[:12])
        raise SourceError(f"data source `{name}`: the query has no column `{missing[0]}`", hint=f"it has {columns}")
