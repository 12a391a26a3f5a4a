"""Score tables with models: writes one `.npz` of each model's scores for each table; no label is in reach.

Task: `models` {name: folder}, `tables` {name: path}, `out` (folder).
Result: `scores` {table: {"file": path, "problem": text, "models": {model: problem text or ""}}}, `classes`
{model: [class] or null}, `flavors`, `versions`.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .models import LoadedModel, model_folder
from .problems import ProblemError
from .tables import read_table


def main(task: dict[str, Any]) -> dict[str, Any]:
    """Score every table with every model."""
    models: dict[str, LoadedModel | str] = {name: _load(Path(path)) for name, path in task["models"].items()}
    scores = {name: _score_table(name, index, models, task) for index, name in enumerate(task["tables"])}
    flavors = {name: model.flavor for name, model in models.items() if isinstance(model, LoadedModel)}
    classes = {name: model.classes for name, model in models.items() if isinstance(model, LoadedModel)}
    return {"scores": scores, "classes": classes, "flavors": flavors, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of the libraries that predictions depend on, where they are installed."""
    names = ("mlflow-skinny", "mlflow", "numpy", "scikit-learn", "lightgbm", "onnxruntime", "polars", "pandas")
    library_versions = {}
    for name in names:
        try:
            library_versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return library_versions


def _load(path: Path) -> LoadedModel | str:
    try:
        return LoadedModel(model_folder(path))
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        return f"the model cannot be loaded: {_explanation(error)}"


def _explanation(error: Exception) -> str:
    return str(error) if isinstance(error, ProblemError) else f"{type(error).__name__}: {error}"


def _score_table(name: str, index: int, models: dict[str, LoadedModel | str], task: dict[str, Any]) -> dict[str, Any]:
    try:
        table = read_table(Path(task["tables"][name]))
    except ProblemError as problem:
        return {"file": "", "problem": f"{name}: {problem}", "models": {}}
    arrays: dict[str, NDArray[np.generic]] = {}
    problems = {model_name: _score_model(model_name, model, table, arrays) for model_name, model in models.items()}
    file = Path(task["out"]) / f"{index}.npz"
    np.savez(file, allow_pickle=False, **arrays)
    return {"file": str(file), "problem": "", "models": problems}


def _score_model(name: str, model: LoadedModel | str, table: Any, arrays: dict[str, NDArray[np.generic]]) -> str:
    """Add the model's scores to the arrays; answers with the problem, empty when there is none."""
    if isinstance(model, str):
        return model
    if len(table) == 0:
        arrays[name] = np.empty(0)
        return ""
    try:
        scores = model.score(model.features(table))
    except Exception as error:  # the project's own code may raise anything; the gate reports it
        return f"the model cannot predict these rows: {_explanation(error)}"
    if len(scores) != len(table):
        return f"the model gave {len(scores)} predictions for {len(table)} rows"
    arrays[name] = scores
    return ""
