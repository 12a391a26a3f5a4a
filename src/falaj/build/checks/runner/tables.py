"""Reading an output's table with the library that the project works with."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

from .problems import ProblemError

NULL_TEXTS = ["", "NA"]


def installed(name: str) -> bool:
    """Whether the project's environment has the package."""
    return importlib.util.find_spec(name) is not None


def table_file(path: Path) -> Path:
    """The one table of an output: the file itself, or the only table below the folder."""
    if path.is_file():
        return path
    table_files = [file for file in sorted(path.rglob("*")) if file.suffix in (".parquet", ".csv", ".zip")]
    if len(table_files) != 1:
        raise ProblemError(f"{len(table_files)} tables found, needed one")
    return table_files[0]


def note_of(path: Path) -> Path:
    """Beside a data source: how it is read."""
    return path.with_name(f"{path.name}.read")


def written_by_pandas(file: Path) -> bool:
    """Whether pandas wrote a Parquet file; its reader then restores categories and the index."""
    if file.suffix != ".parquet" or not installed("pyarrow"):
        return False
    import pyarrow.parquet

    return b"pandas" in (pyarrow.parquet.read_schema(file).metadata or {})


def read_table(path: Path, *, pandas: bool | None = None) -> Any:
    """An output as a data frame of the project's own library.

    Args:
        path: File or folder of the output.
        pandas: True forces pandas; None takes pandas for what pandas wrote, else polars where it is installed.
    """
    note = note_of(path)
    file = path if note.exists() else table_file(path)
    if pandas is None:
        pandas = installed("pandas") and (written_by_pandas(file) or not installed("polars"))
    try:
        if note.exists():
            return _read_source(file, json.loads(note.read_text()), "pandas" if pandas else "polars")
        return _read_pandas(file) if pandas else _read_polars(file)
    except ImportError as error:
        raise ProblemError(f"the project's environment cannot read tables: {error}") from error


def _read_source(path: Path, read: dict[str, Any], form: str) -> Any:
    """A data source, in the way that steps read it."""
    package = types.ModuleType("falaj_step")
    package.__path__ = [str(Path(__file__).resolve().parents[2] / "pipeline" / "runner" / "falaj_step")]
    sys.modules.setdefault(package.__name__, package)
    problem = importlib.import_module("falaj_step.problem").Problem
    try:
        return importlib.import_module("falaj_step.tables").read_table(str(path), form, read)
    except problem as error:
        raise ProblemError(f"{error}; {error.hint}" if error.hint else str(error)) from error


def _read_pandas(file: Path) -> Any:
    import pandas

    if file.suffix == ".parquet":
        return pandas.read_parquet(file)
    return pandas.read_csv(file, na_values=NULL_TEXTS, keep_default_na=False)


def _read_polars(file: Path) -> Any:
    import polars

    if file.suffix == ".parquet":
        return polars.read_parquet(file)
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            inside = archive.read(archive.namelist()[0])
        return polars.read_csv(inside, null_values=NULL_TEXTS, infer_schema_length=None)
    return polars.read_csv(file, null_values=NULL_TEXTS, infer_schema_length=None)


def is_polars(table: Any) -> bool:
    """Whether the table is a polars one."""
    return type(table).__module__.partition(".")[0] == "polars"


def column_names(table: Any) -> list[str]:
    """The names of the columns, in order."""
    return [str(name) for name in table.columns]


def column(table: Any, name: str) -> list[Any]:
    """One column as Python values, with None for what is missing.

    Raises:
        ProblemError: There is no such column.
    """
    if name not in column_names(table):
        raise ProblemError(f"there is no column {name!r}; there are {', '.join(column_names(table))}")
    values = table[name].to_list() if is_polars(table) else table[name].astype(object).tolist()
    return [None if _missing(value) else value for value in values]


def _missing(value: Any) -> bool:
    # None, NaN, NaT and pandas' NA: only they are not equal to themselves, or refuse to say
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        return True
