"""Writing tables to Parquet files that say where they may be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.prediction_log.export.kinds import (
    BOOLEAN,
    MIXED,
    NUMBER,
    NUMBERS,
    SHORT,
    TEXT,
    TIME,
    WHOLE,
    as_kind,
)


class ParquetFile:
    """A file that is there under its name once it is whole; readable by its owner only.

    Args:
        path: Its name.
        kinds: Kind of each column, in order.
        provenance: What the file says of itself.

    Raises:
        MissingExtraError: Parquet cannot be written here.
    """

    def __init__(self, path: Path, kinds: Mapping[str, str], provenance: Mapping[str, str]) -> None:
        arrow, parquet = _arrow()
        types = {
            BOOLEAN: arrow.bool_(), WHOLE: arrow.int64(), NUMBER: arrow.float64(), TEXT: arrow.string(),
            NUMBERS: arrow.list_(arrow.float64()), MIXED: arrow.string(), TIME: arrow.timestamp("us", tz="UTC"),
            SHORT: arrow.int32(),
        }  # fmt: skip
        fields = [arrow.field(name, types[kind]) for name, kind in kinds.items()]
        self._path, self._part, self._kinds = path, path.with_name(f"{path.name}.part"), kinds
        self._schema = arrow.schema(fields, metadata={f"falaj.{name}": text for name, text in provenance.items()})
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._writer = parquet.ParquetWriter(self._part, self._schema, compression="zstd")

    def write(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Append rows; a column that is left out has no values."""
        arrow, _ = _arrow()
        count = max(map(len, columns.values()))
        arrays = [
            arrow.array(_plain(columns.get(field.name) or [None] * count, self._kinds[field.name]), type=field.type)
            for field in self._schema
        ]
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._part.rename(self._path)

    def give_up(self) -> None:
        """Remove what was written."""
        self._writer.close()
        self._part.unlink(missing_ok=True)


def require_parquet() -> None:
    """Make sure that Parquet can be written.

    Raises:
        MissingExtraError: It cannot.
    """
    _arrow()


def _plain(values: Sequence[Any], kind: str) -> list[Any]:
    if kind == TIME:
        return [None if value is None else round(value * 1e6) for value in values]
    if kind == NUMBER:
        return [None if value is None else float(value) for value in values]
    return as_kind(values, kind)


def _arrow() -> tuple[Any, Any]:
    return arrow_and_parquet("writing predictions to Parquet")
