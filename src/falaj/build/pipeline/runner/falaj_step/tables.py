# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH112, PTH118, PTH119, PTH123
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
        read: Options of the source, as `falaj.config.reading` describes them.

    Raises:
        Problem: The format is not one of these.
    """
    kind = read.get("format") or _format(path)
    readers = {"polars": _polars, "polars-lazy": _polars_lazy, "pandas": _pandas, "arrow": _arrow}
    try:
        return readers[form](path, kind, read)
    except (ImportError, OSError, Problem):
        raise
    except Exception as error:
        problem = _json_problem(path) if kind == "jsonl" else None
        raise problem or error from error


def write_table(table: Any, folder: str) -> None:
    """Write a table of any of the libraries as `data.parquet`.

    Raises:
        Problem: It has a column twice, or one that Parquet cannot hold.
    """
    path = os.path.join(folder, "data.parquet")
    if type(table).__module__.split(".")[0] != "pandas":
        _write(table, path)
        return
    twice = [str(name) for name in table.columns[table.columns.duplicated()]]
    if twice:
        raise Problem("step.wrong-output", f"returned a table with the column `{twice[0]}` twice", "rename one of them")
    try:
        _write(table, path)
    except OSError:
        raise
    except Exception as error:
        raise _unwritable(table) or error from error


def _unwritable(table: Any) -> Problem | None:
    """The first column that cannot be written alone; None when each can."""
    import io

    for name in table.columns:
        try:
            table[[name]].to_parquet(io.BytesIO())
        except Exception as reason:
            kinds = sorted({type(value).__name__ for value in table[name]})
            content = str(table[name].dtype) if str(table[name].dtype) != "object" else ", ".join(kinds)
            return Problem(
                "step.wrong-output",
                f"returned a table whose column `{name}` ({content}) cannot be kept as Parquet: {reason}",
                "make it one of text, numbers, bools or times"
                + (": `.cat.rename_categories(str)`" if hasattr(table[name], "cat") else ""),
            )
    return None


def _write(table: Any, path: str) -> None:
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
    file_format = endings.get(name.rpartition(".")[2])
    if file_format is None:
        extensions = ", ".join(f".{each}" for each in endings)
        raise Problem(
            "step.wrong-input",
            f"`{os.path.basename(path)}` is not a table that can be read",
            f"known are {extensions}; or annotate a Path",
        )
    return file_format


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


def _json_problem(path: str) -> Problem | None:
    """The first line of a file of JSON lines that is none; None when each is."""
    import io
    import json

    source, name = _unpacked(path), os.path.basename(path)
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                value = json.loads(line) if line.strip() else {}
            except ValueError as error:  # bytes that are no UTF-8 among them
                return Problem("step.wrong-input", f"`{name}` line {number} is not JSON: {error}", "mend the line")
            if not isinstance(value, dict):
                return Problem("step.wrong-input", f"`{name}` line {number} is not an object", "one `{...}` a line")
    return None


def _csv(path: str, form: str, kind: str, read: dict[str, Any]) -> Any:
    """A CSV file: looked over, then read by the library; what that refuses is said by line and column."""
    from .csv_columns import Columns, explanation
    from .csv_survey import rewritten, survey

    name, nulls = os.path.basename(path), read.get("null_values") or NULLS
    separator = read.get("separator") or ("\t" if kind == "tsv" else ",")
    source = _in_utf8(_unpacked(path), name, read.get("encoding") or "utf-8")
    survey_result = survey(source, name, separator, read)
    columns = Columns(survey_result.header, read, name)
    if not survey_result.plain:
        source = rewritten(source, separator)
    try:
        return _csv_reader(form)(source, separator, nulls, columns)
    except (ImportError, OSError):
        raise
    except Exception as error:
        raise explanation(source, name, separator, columns, nulls) or error from error


def _csv_reader(form: str) -> Any:
    if form == "pandas":
        from .csv_pandas import read_pandas

        return read_pandas
    if form == "arrow":
        from .csv_arrow import read_arrow

        return read_arrow
    from .csv_polars import read_polars

    return read_polars


def _in_utf8(source: Any, name: str, encoding: str) -> Any:
    """The source itself where it is in UTF-8, else its text in it."""
    import codecs

    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii"):
        return source
    if not isinstance(source, bytes):
        with open(source, "rb") as file:
            source = file.read()
    try:
        return source.decode(encoding).encode()
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        message = f"`{name}` line {line}: the byte 0x{source[error.start]:02x} is not in {encoding}"
        raise Problem("step.wrong-input", message, "`read: {encoding: ...}` in falaj.yaml names another") from None


def _polars(path: str, kind: str, read: dict[str, Any]) -> Any:
    import polars as pl

    columns = read.get("columns")
    if kind == "parquet":
        table = pl.read_parquet(_parquet_files(path), columns=columns, glob=False)
        return table.drop(_index_columns(path, table.columns, columns))
    if kind == "arrow":
        return pl.read_ipc(path, columns=columns, memory_map=False)
    if kind == "jsonl":
        table = pl.read_ndjson(_unpacked(path))
        return table if columns is None else table.select(columns)
    return _csv(path, "polars", kind, read)


def _polars_lazy(path: str, kind: str, read: dict[str, Any]) -> Any:
    import polars as pl

    if kind == "parquet":
        table, columns = pl.scan_parquet(_parquet_files(path), glob=False), read.get("columns")
        table = table if columns is None else table.select(columns)
        return table.drop(_index_columns(path, table.collect_schema().names(), columns))
    return _polars(path, kind, read).lazy()


def _parquet_files(path: str) -> str:
    return os.path.join(path, "**/*.parquet") if os.path.isdir(path) else path


def _index_columns(path: str, names: list[str], requested_columns: list[str] | None) -> list[str]:
    """Columns in which pandas keeps an index without a name, which no other library has.

    Raises:
        Problem: The index has a name and is not asked for: leaving it out could lose something.
    """
    from .pandas_index import index_of

    index = [name for name in index_of(path) if name in names and name not in (requested_columns or ())]
    named = [name for name in index if not name.startswith("__index_level_")]
    if named:
        shown = f"`{os.path.basename(path)}` has the pandas index {', '.join(f'`{name}`' for name in named)}"
        listed = ", ".join(names)
        hint = f"`reset_index()` in the step that returns it, or `read: {{columns: [{listed}]}}` of a data source"
        raise Problem("step.wrong-input", f"{shown}, which becomes a column only when it is asked for", hint)
    return index


def _pandas(path: str, kind: str, read: dict[str, Any]) -> Any:
    import pandas as pd

    columns = read.get("columns")
    if kind == "parquet":
        return pd.read_parquet(path, columns=columns)
    if kind == "arrow":
        return pd.read_feather(path, columns=columns)
    if kind == "jsonl":
        table = pd.read_json(path, lines=True)
        return table if columns is None else table[columns]
    return _csv(path, "pandas", kind, read)


def _arrow(path: str, kind: str, read: dict[str, Any]) -> Any:
    columns = read.get("columns")
    if kind == "parquet":
        import pyarrow.parquet as parquet

        table = parquet.read_table(path, columns=columns)
        return table.drop_columns(_index_columns(path, table.column_names, columns))
    if kind == "arrow":
        import pyarrow.feather as feather

        return feather.read_table(path, columns=columns)
    if kind == "jsonl":
        import pyarrow.json

        from .csv_arrow import readable

        table = pyarrow.json.read_json(readable(_unpacked(path)))
        return table if columns is None else table.select(columns)
    return _csv(path, "arrow", kind, read)
