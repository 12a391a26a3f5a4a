"""Parquet and CSV files as columns for profiles."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.core.errors import MissingExtraError, NotFoundError, UsageError
from falaj.statistics.profiles import Categorical, Column

DAY_S = 86_400.0


@dataclass(frozen=True)
class Table:
    """A file's columns.

    Args:
        name: Of the file.
        rows: Their number.
        columns: Values by name, without times.
        times: Unix seconds of each row; None when no column of times was named.
        left_out: Columns that are not profiled, with the reason.
    """

    name: str
    rows: int
    columns: dict[str, Column]
    times: NDArray[np.float64] | None
    left_out: dict[str, str]

    @property
    def days(self) -> NDArray[np.float64] | None:
        """The day of each row; None without times."""
        return None if self.times is None else np.floor(self.times / DAY_S)


def read_table(path: Path, time: str = "", ignored: Sequence[str] = ()) -> Table:
    """Read a file.

    Args:
        path: Ends with `.parquet` or `.csv`.
        time: Column of times; empty when there is none. Rows are sorted by it, and those without a time are left out.
        ignored: Columns to leave out.

    Raises:
        NotFoundError: There is no such file.
        UsageError: The file cannot be read, or has no such column of times.
        MissingExtraError: The library that reads tables is not installed.
    """
    frame = _read(path)
    if time and time not in frame.column_names:
        column_list = ", ".join(frame.column_names)
        raise UsageError(
            f"there is no column {time}", where=str(path), hint=f"it has {column_list}", code="profile.no-time"
        )
    times = None
    if time:
        times = _seconds(frame[time], path)
        order = np.argsort(times, kind="stable")
        order = order[: int(np.count_nonzero(times == times))]
        frame, times = frame.take(order), times[order]
    columns, left_out = {}, {}
    for name in frame.column_names:
        reason = "ignored" if name in ignored else _unusable(frame[name])
        if reason and name != time:
            left_out[name] = reason
        elif name != time:
            columns[name] = _column(frame[name])
    return Table(path.name, frame.num_rows, columns, times, left_out)


def _read(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ImportError as error:
        raise MissingExtraError("parquet", "reading tables") from error
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", code="profile.no-file")
    nulls = csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        read = csv.ReadOptions(encoding=_encoding(path))
        return csv.read_csv(path, read_options=read, convert_options=nulls)
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        message = f"{path.name} cannot be read: {first}"
        hint = "name a Parquet or CSV file"
        raise UsageError(message, where=str(path), hint=hint, code="profile.unreadable") from error


def _encoding(path: Path) -> str:
    """What the text of a file is written in: what its first bytes say, UTF-8 if it reads as that, else Latin-1."""
    with path.open("rb") as file:
        first = file.read(4)
        if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            decoder.decode(first)
            while part := file.read(1 << 20):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _seconds(column: Any, path: Path) -> NDArray[np.float64]:
    """Times as Unix seconds; NaN where there is none."""
    import pyarrow as pa

    try:
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return _floats(column.cast(pa.float64(), safe=False))
        texts = column if pa.types.is_temporal(column.type) else column.cast(pa.string())
        try:
            milliseconds = texts.cast(pa.timestamp("ms", "UTC"))
        except pa.ArrowInvalid:  # texts without a zone are taken as UTC
            milliseconds = texts.cast(pa.timestamp("ms"))
        return _floats(milliseconds.cast(pa.int64()).cast(pa.float64())) / 1000
    except pa.ArrowException as error:
        hint = "times are timestamps, dates, ISO 8601 texts or Unix seconds"
        raise UsageError("the column of times has none", where=str(path), hint=hint, code="profile.no-time") from error


def _floats(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy()
    return values


def _unusable(column: Any) -> str:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_temporal(kind):
        return "times drift by themselves"
    if pa.types.is_nested(kind):
        return "a nested type"
    if any(is_bytes(kind) for is_bytes in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)):
        return "bytes, not text"
    plain = _is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "" if plain or text else f"values of the type {kind}"


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _column(column: Any) -> Column:
    import pyarrow as pa

    if _is_number(column.type):
        return _floats(column.cast(pa.float64(), safe=False))  # whole numbers beyond 2^53 lose their last digits
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Categorical(codes, tuple(coded.dictionary.to_pylist()))
