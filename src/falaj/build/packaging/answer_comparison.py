"""The answers of what is going to serve beside those of the trained model, on the step's own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from falaj import models
from falaj.build.packaging.agreement import ONNX_TOLERANCE, ROWS, differing_alone, disagreement, malformed, repeated
from falaj.build.packaging.result import PackagingResult
from falaj.models.answers import PROBABILITY
from falaj.models.backends import open_backend
from falaj.models.errors import ModelError
from falaj.models.frame_columns import answerable_rows, columns_of_frame
from falaj.models.model_folder import SERVING_FILE, ModelFolder, read_model_folder
from falaj.models.tables import Array, Rows


def compared(model: Path, result: PackagingResult, table: Path | None) -> PackagingResult:
    """The result with what a comparison found; a conversion that differs is dropped, another form refused.

    Args:
        model: The packaged folder, without what responses hold.
        result: How it would be served.
        table: Parquet file of the gate's rows; None compares the input example.

    Raises:
        ModelError: It cannot be loaded.
    """
    folder = _served(model, result)
    frame, columns = _rows(folder, table)
    rows = len(columns[0]) if columns else 0
    difference = _difference(folder, result, frame, columns) if rows else _unasked(folder)
    if difference and result.flavor == "onnx":
        for name in ("model.onnx", SERVING_FILE):
            (model / name).unlink(missing_ok=True)
        return compared(model, replace(result, flavor="native", reason=f"the conversion: {difference}"), table)
    if difference.startswith(_NOT_REPEATABLE):
        return replace(result, reason=f"{result.reason}; {difference}", compared=0)
    return replace(result, compared=rows, refusal=difference)


_NOT_REPEATABLE = "answers are not repeatable"


def _served(model: Path, result: PackagingResult) -> ModelFolder:
    folder = read_model_folder(model)
    return folder if result.flavor == "onnx" else replace(folder, packaging={})


def _unasked(folder: ModelFolder) -> str:
    """Nothing, of a model without rows to ask it that can be loaded and answers its example, if it has one.

    Raises:
        ModelError: It cannot be.
    """
    backend = open_backend(folder, 1)
    if folder.example:
        _ask(backend, Rows(folder.example).arrays(folder.signature))
    return ""


def without_probabilities(model: Path) -> bool:
    """Whether a packaged model answers its example without probabilities."""
    folder = read_model_folder(model)
    if not folder.example:
        return False
    return PROBABILITY not in open_backend(folder, 1).predict(Rows(folder.example).arrays(folder.signature))


def _ask(backend: Any, columns: list[Array]) -> None:
    try:
        outputs = backend.predict(columns)
    except Exception as error:  # the library's or the project's own code may raise anything
        raise ModelError(f"the model does not answer its example: {type(error).__name__}: {error}") from error
    for name, values in outputs.items():
        if np.ndim(values) == 0 or len(values) != len(columns[0]):
            answer_count = len(values) if np.ndim(values) else "one"
            raise ModelError(f"the model's output {name!r} has {answer_count} answers for {len(columns[0])} rows")


def _difference(folder: ModelFolder, result: PackagingResult, frame: Any, columns: list[Array]) -> str:
    backend = open_backend(folder, 1)
    trained, packaged = _asking(folder, backend), backend.predict
    try:
        answers = trained(frame)
        if fault := malformed(answers, len(columns[0])) or malformed(packaged(columns), len(columns[0])):
            return fault
        if not repeated(answers, trained(frame)):
            return _NOT_REPEATABLE
        tolerance = ONNX_TOLERANCE if result.flavor == "onnx" else 0.0
        difference = disagreement(trained, packaged, frame, columns, folder.signature.names, tolerance)
        if difference is not None or result.flavor == "onnx":
            return str(difference or "")
        return differing_alone(packaged, columns)
    except Exception as error:  # the library's or the project's own code may raise anything
        raise ModelError(f"the model does not answer the gate's rows: {type(error).__name__}: {error}") from error


def _asking(folder: ModelFolder, backend: Any) -> Callable[[Any], Any]:
    """The trained model, asked with tables; one that MLflow alone can load is asked with arrays again."""
    if hasattr(backend, "answers"):
        return backend.answers  # type: ignore[no-any-return]
    if backend.platform == "onnx":
        return open_backend(replace(folder, packaging={}), 1).answers  # type: ignore[attr-defined, no-any-return]
    return lambda table: backend.predict(columns_of_frame(table, folder.signature))


def _rows(folder: ModelFolder, table: Path | None) -> tuple[Any, list[Array]]:
    """Rows that an endpoint would take, in the step's library and as arrays; of the example where there is no table."""
    if not folder.signature.columns:
        return None, []
    if table is None:
        columns = Rows(folder.example).arrays(folder.signature) if folder.example else []
        return (_construct(folder, columns), columns) if columns else (None, [])
    frame = _READERS[_library(folder)](table, list(folder.signature.names))
    columns = columns_of_frame(frame, folder.signature)
    row_indices = np.flatnonzero(answerable_rows(columns, folder.signature))
    row_indices = row_indices[:: max(1, len(row_indices) // ROWS)][:ROWS]
    columns = [values[row_indices] for values in columns]
    frame = _take(frame, row_indices)
    return (frame if _as_trained(folder, frame) else _construct(folder, columns)), columns


def _library(folder: ModelFolder) -> str:
    if folder.trained_on is not None:
        return folder.trained_on.library
    return "pandas" if find_spec("pandas") else "polars"


def _take(frame: Any, rows: Array) -> Any:
    if hasattr(frame, "iloc"):
        return frame.iloc[rows].reset_index(drop=True)
    return frame.take(rows) if hasattr(frame, "take") else frame[rows]


def _as_trained(folder: ModelFolder, frame: Any) -> bool:
    """Whether the categories of the model are those of the table; a step may have made them itself."""
    if folder.trained_on is None:
        return True
    there = {each.name: each.categories for each in models.describe(frame).columns}
    return all(each.categories is None or there[each.name] == each.categories for each in folder.trained_on.columns)


def _construct(folder: ModelFolder, columns: list[Array]) -> Any:
    named = dict(zip(folder.signature.names, columns, strict=True))
    return folder.trained_on.frame(named) if folder.trained_on else import_module("pandas").DataFrame(named)


def _pandas(table: Path, names: list[str]) -> Any:
    return import_module("pandas").read_parquet(table, columns=names)


def _polars(table: Path, names: list[str]) -> Any:
    return import_module("polars").read_parquet(table, columns=names)


def _arrow(table: Path, names: list[str]) -> Any:
    return import_module("pyarrow.parquet").read_table(table, columns=names)


_READERS = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}
