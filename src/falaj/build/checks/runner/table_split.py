"""Part the tables of gates: labels and slices for the judge, and for the model the columns that it reads.

No model is loaded here, and no label goes where one is loaded.

Task: `tables` {name: path}, `label` (a column, or several), `slices` {table: [column]}, `columns` [name] or null,
`whole` [table] of which every column but the label is a feature, `judge` (folder), `features` (folder).
Result: `tables` {name: {"labels": path, "features": path, "problem": text}}, `versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.runner.scoring import versions

from .problems import ProblemError
from .tables import column, column_names, installed, is_polars, note_of, read_table, table_file

MISSING = "(missing)"


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Part every table."""
    parted = {name: _parted(name, index, task) for index, name in enumerate(task["tables"])}
    return {"tables": parted, "versions": versions()}


def _parted(name: str, index: int, task: dict[str, Any]) -> dict[str, Any]:
    source = Path(task["tables"][name])
    try:
        table = read_table(source)
        arrays = {f"slice:{by}": _texts(column(table, by)) for by in task["slices"].get(name, [])}
        arrays |= _all_labels(table, task["label"])
        names = _read_by_model(column_names(table), task, whole=name in task.get("whole", ()))
        features = _write_columns(_file(source), table, Path(task["features"]) / str(index), names)
    except ProblemError as problem:
        return {"labels": "", "features": "", "problem": f"{name}: {problem}"}
    file = Path(task["judge"]) / f"{index}.npz"
    np.savez(file, allow_pickle=False, **arrays)
    return {"labels": str(file), "features": str(features), "problem": ""}


def _file(source: Path) -> Path:
    """A data source is what it is; an output is the one table in it."""
    return source if note_of(source).exists() else table_file(source)


def _read_by_model(names: list[str], task: dict[str, Any], *, whole: bool) -> list[str]:
    """The columns that the models' signatures name; all but the label where none does, or of a whole table."""
    model_columns, labels = None if whole else task["columns"], task["label"]
    labels = labels if isinstance(labels, list) else [labels]
    return [name for name in names if name not in labels and (model_columns is None or name in model_columns)]


def _texts(values: list[Any]) -> NDArray[np.generic]:
    return np.array([MISSING if value is None else str(value) for value in values], dtype=np.str_)


def _all_labels(table: Any, named: str | list[str]) -> dict[str, NDArray[np.generic]]:
    """The labels of one column, or a column of numbers for each of several."""
    if isinstance(named, str):
        return _labels(column(table, named))
    label_columns = [_labels(column(table, name)) for name in named]
    for name, each in zip(named, label_columns, strict=True):
        if "label" not in each:
            raise ProblemError(f"the labels in {name!r} are not numbers; of several outputs they have to be")
    return {name: np.stack([each[name] for each in label_columns], axis=1) for name in ("label", "absent")}


def _labels(values: list[Any]) -> dict[str, NDArray[np.generic]]:
    """Labels as numbers with NaN for missing ones, or as texts and which of them are missing."""
    absent = np.array([value is None for value in values], dtype=np.bool_)
    try:
        numbers = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        return {"text": _texts(values), "absent": absent}
    texts = any(isinstance(value, str) for value in values)
    return {"label": numbers, "absent": absent, **({"text": _texts(values)} if texts else {})}


def _write_columns(file: Path, table: Any, target: Path, names: list[str]) -> Path:
    """Some columns of a table, without its index: as they are in a Parquet file, else as they were read."""
    if file.suffix == ".parquet":
        return _write_parquet(file, target.with_suffix(".parquet"), names)
    return write_table(table.select(names) if is_polars(table) else table[names], target)


def write_table(table: Any, target: Path) -> Path:
    """A data frame without its index, as Parquet where that can be written, else as CSV."""
    if is_polars(table):
        table.write_parquet(target.with_suffix(".parquet"))
        return target.with_suffix(".parquet")
    if installed("pyarrow"):
        table.to_parquet(target.with_suffix(".parquet"), index=False)
        return target.with_suffix(".parquet")
    table.to_csv(target.with_suffix(".csv"), index=False)
    return target.with_suffix(".csv")


def _write_parquet(file: Path, target: Path, names: list[str]) -> Path:
    if installed("pyarrow"):
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.parquet.read_table(file, columns=names), target)
    else:
        import polars

        polars.read_parquet(file, columns=names).write_parquet(target)
    return target
