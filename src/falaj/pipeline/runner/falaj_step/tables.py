# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH112, PTH118, PTH119
"""Reads and writes tables with the library that a step asks for; results are Parquet."""

from __future__ import annotations

import os

from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

NULLS = ["", "NA"]
"""Texts that mean a missing value in CSV files, unless the source's `read.null_values` says otherwise."""


def read_table(path: str, form: str, read: dict[str, Any]) -> Any:
    """A table from a Parquet, CSV, Arrow or JSON-lines file, also zipped or gzipped, or a folder of Parquet files.

    Args:
        path: The file or folder.
        form: `polars`, `polars-lazy`, `pandas` or `arrow`.
        read: Options of the source: `format`, `separator`, `null_values`, `columns`.

    Raises:
        Problem: The format is not one of these.
    """
    kind = read.get("format") or _format(path)
    readers = {"polars": _polars, "polars-lazy": _polars_lazy, "pandas": _pandas, "arrow": _arrow}
    return readers[form](path, kind, read)


def write_table(table: Any, folder: str) -> None:
    """Write a table of any of the libraries as `data.parquet`."""
    path = os.path.join(folder, "data.parquet")
    library = type(table).__module__.split(".")[0]
    if library == "polars":
        frame = table.collect() if type(table).__name__ == "LazyFrame" else table
        frame.write_parquet(path)
    elif library == "pandas":
        table.to_parquet(path)
    else:
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, path)


def _format(path: str) -> str:
    if os.path.isdir(path):
        return "parquet"
    name = os.path.basename(path).lower()
    for ending in (".zip", ".gz"):
        name = name.removesuffix(ending)
    endings = {
        "parquet": "parquet",
        "csv": "csv",
        "tsv": "tsv",
        "arrow": "arrow",
        "feather": "arrow",
        "jsonl": "jsonl",
        "ndjson": "jsonl",
    }
    found = endings.get(name.rpartition(".")[2])
    if found is None:
        known = ", ".join(f".{each}" for each in endings)
        raise Problem(
            "step.wrong-input",
            f"`{os.path.basename(path)}` is not a table that can be read",
            f"known are {known}; or annotate a Path",
        )
    return found


def _unpacked(path: str) -> Any:
    """The path itself, or the bytes of the only member of an archive."""
    if path.endswith(".zip"):
        import zipfile

        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) != 1:
                raise Problem("step.wrong-input", f"`{os.path.basename(path)}` holds {len(members)} files, not one")
            return archive.read(members[0])
    if path.endswith(".gz"):
        import gzip

        with gzip.open(path) as stream:
            return stream.read()
    return path


def _csv_options(kind: str, read: dict[str, Any]) -> tuple[str, list[str]]:
    return read.get("separator") or ("\t" if kind == "tsv" else ","), read.get("null_values") or NULLS


def _polars(path: str, kind: str, read: dict[str, Any]) -> Any:
    import polars as pl

    columns = read.get("columns")
    if kind == "parquet":
        return pl.read_parquet(os.path.join(path, "**/*.parquet") if os.path.isdir(path) else path, columns=columns)
    if kind == "arrow":
        return pl.read_ipc(path, columns=columns, memory_map=False)
    if kind == "jsonl":
        return pl.read_ndjson(_unpacked(path))
    separator, nulls = _csv_options(kind, read)
    return pl.read_csv(
        _unpacked(path), separator=separator, null_values=nulls, columns=columns, infer_schema_length=10_000
    )


def _polars_lazy(path: str, kind: str, read: dict[str, Any]) -> Any:
    import polars as pl

    if kind == "parquet":
        return pl.scan_parquet(os.path.join(path, "**/*.parquet") if os.path.isdir(path) else path)
    return _polars(path, kind, read).lazy()


def _pandas(path: str, kind: str, read: dict[str, Any]) -> Any:
    import pandas as pd

    columns = read.get("columns")
    if kind == "parquet":
        return pd.read_parquet(path, columns=columns)
    if kind == "arrow":
        return pd.read_feather(path, columns=columns)
    if kind == "jsonl":
        return pd.read_json(path, lines=True)
    separator, nulls = _csv_options(kind, read)
    return pd.read_csv(path, sep=separator, na_values=nulls, keep_default_na=False, usecols=columns)


def _arrow(path: str, kind: str, read: dict[str, Any]) -> Any:
    import pyarrow as pa

    columns = read.get("columns")
    if kind == "parquet":
        import pyarrow.parquet as parquet

        return parquet.read_table(path, columns=columns)
    if kind == "arrow":
        import pyarrow.feather as feather

        return feather.read_table(path, columns=columns)
    source = _unpacked(path)
    stream = pa.BufferReader(source) if isinstance(source, bytes) else source
    if kind == "jsonl":
        import pyarrow.json

        return pyarrow.json.read_json(stream)
    return _arrow_csv(stream, kind, read)


def _arrow_csv(stream: Any, kind: str, read: dict[str, Any]) -> Any:
    from pyarrow import csv

    separator, nulls = _csv_options(kind, read)
    convert = csv.ConvertOptions(null_values=nulls, strings_can_be_null=True, include_columns=read.get("columns"))
    return csv.read_csv(stream, parse_options=csv.ParseOptions(delimiter=separator), convert_options=convert)
