"""Which columns of a Parquet file are an index of pandas."""

# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH112, PTH118, PTH123

from __future__ import annotations

import os
import sys


def index_of(path: str) -> list[str]:
    """Names of the columns that hold the index; an index that counts from zero needs none.

    Args:
        path: A Parquet file, or a folder of them.
    """
    file = _first(path)
    text = _metadata(file) if file else None
    if not text:
        return []
    import json

    return [name for name in json.loads(text).get("index_columns", ()) if isinstance(name, str)]


def _first(path: str) -> str:
    if not os.path.isdir(path):
        return path
    for folder, _, files in os.walk(path):
        parquet_files = sorted(name for name in files if name.endswith(".parquet"))
        if parquet_files:
            return os.path.join(folder, parquet_files[0])
    return ""


def _metadata(file: str) -> str | bytes | None:
    """What pandas wrote beside the schema, by the library that is there."""
    with open(file, "rb") as opened:
        opened.seek(0, os.SEEK_END)
        opened.seek(max(0, opened.tell() - (1 << 20)))
        if b"index_columns" not in opened.read():
            return None
    if "polars" in sys.modules and hasattr(sys.modules["polars"], "read_parquet_metadata"):
        beside: str | None = sys.modules["polars"].read_parquet_metadata(file).get("pandas")
        return beside
    import pyarrow.parquet

    schema: dict[bytes, bytes] = pyarrow.parquet.read_schema(file).metadata or {}
    return schema.get(b"pandas")
