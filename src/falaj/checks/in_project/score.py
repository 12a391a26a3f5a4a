"""Score tables with models: writes one `.npz` of label, scores and slices for each table.

Task: `models` {name: folder}, `tables` {name: path}, `label`, `slices` {table: [column]}, `out` (folder).
Result: `scores` {table: {"file": path, "problem": text, "models": {model: problem text or ""}}}, `flavors`, `versions`.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from .models import LoadedModel, model_folder
from .problems import ProblemError
from .tables import column, read_table

MISSING = "(missing)"


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Score every table with every model."""
    models: dict[str, LoadedModel | str] = {name: _load(Path(path)) for name, path in task["models"].items()}
    scores = {name: _score_table(name, index, models, task) for index, name in enumerate(task["tables"])}
    flavors = {name: model.flavor for name, model in models.items() if isinstance(model, LoadedModel)}
    return {"scores": scores, "flavors": flavors, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of the libraries that predictions depend on, where they are installed."""
    names = ("mlflow-skinny", "mlflow", "numpy", "scikit-learn", "lightgbm", "onnxruntime", "polars", "pandas")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _load(path: Path) -> LoadedModel | str:
    try:
        return LoadedModel(model_folder(path))
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        return f"the model cannot be loaded: {_told(error)}"


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ProblemError) else f"{type(error).__name__}: {error}"


def _score_table(name: str, index: int, models: dict[str, LoadedModel | str], task: dict[str, Any]) -> dict[str, Any]:
    try:
        table = read_table(Path(task["tables"][name]))
        classes = next((m.classes for m in models.values() if isinstance(m, LoadedModel) and m.classes), None)
        arrays = {"label": _labels(column(table, task["label"]), classes)}
        for by in task["slices"].get(name, []):
            arrays[f"slice:{by}"] = np.array([_slice(value) for value in column(table, by)], dtype=np.str_)
    except ProblemError as problem:
        return {"file": "", "problem": f"{name}: {problem}", "models": {}}
    problems = {}
    for model_name, model in models.items():
        problems[model_name] = _score_model(model_name, model, table, task["label"], arrays)
    file = Path(task["out"]) / f"{index}.npz"
    np.savez(file, allow_pickle=False, **arrays)
    return {"file": str(file), "problem": "", "models": problems}


def _score_model(
    name: str, model: LoadedModel | str, table: Any, label: str, arrays: dict[str, np.ndarray[Any, Any]]
) -> str:
    """Add the model's scores to the arrays; answers with the problem, empty when there is none."""
    if isinstance(model, str):
        return model
    if len(arrays["label"]) == 0:
        arrays[f"score:{name}"] = np.empty(0)
        return ""
    try:
        scores = model.score(model.features(table, label=label))
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        return f"the model cannot predict these rows: {_told(error)}"
    if len(scores) != len(arrays["label"]):
        return f"the model gave {len(scores)} predictions for {len(arrays['label'])} rows"
    arrays[f"score:{name}"] = scores
    return ""


def _slice(value: Any) -> str:
    return MISSING if value is None else str(value)


def _labels(values: list[Any], classes: list[Any] | None) -> np.ndarray[Any, Any]:
    """Labels as numbers: 1 for a classifier's second class, 0 for its first, NaN where missing."""
    if classes is not None and len(classes) == 2:
        return np.array([_class_number(value, classes) for value in values], dtype=np.float64)
    try:
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"the labels are not numbers: {error}") from error


def _class_number(value: Any, classes: list[Any]) -> float:
    if value is None:
        return float("nan")
    if value not in classes:
        raise ProblemError(f"the label {value!r} is not a class of the model ({classes[0]!r}, {classes[1]!r})")
    return float(value == classes[1])
