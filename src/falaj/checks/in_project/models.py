"""Loading a packaged model and scoring rows with it: by its conversion where there is one, else natively."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .converted import converted
from .problems import ProblemError
from .tables import column_names, is_polars

NATIVE_FLAVORS = ("sklearn", "lightgbm", "xgboost")
MOST_CLASSES = 1000
MOST_NUMBERS = 100_000_000


def model_folder(path: Path) -> Path:
    """The folder with `MLmodel`: the artifact itself or the one below it."""
    found = [path] if (path / "MLmodel").is_file() else sorted(file.parent for file in path.rglob("MLmodel"))
    if len(found) != 1:
        raise ProblemError(f"{len(found)} MLflow models found in the model artifact, needed one")
    return found[0]


class LoadedModel:
    """A model, the columns it reads and the kind of frame it takes.

    Args:
        folder: The folder with `MLmodel`.
    """

    def __init__(self, folder: Path) -> None:
        import yaml

        described = yaml.safe_load((folder / "MLmodel").read_text())
        flavors = described.get("flavors", {})
        native = next((flavor for flavor in NATIVE_FLAVORS if flavor in flavors), None)
        conversion = converted(folder)
        self.flavor = "onnx" if conversion else native or "pyfunc"
        self.needs_pandas = self.flavor == "pyfunc"
        loaded = conversion or _load(folder, self.flavor, flavors.get(self.flavor, {}))
        raw = loaded.get_raw_model() if self.needs_pandas and hasattr(loaded, "get_raw_model") else None
        # pyfunc of a classifier answers with classes; its raw model, where there is one, has the probabilities
        self.model: Any = raw if hasattr(raw, "predict_proba") else loaded
        self.columns = self._columns(described)

    def _columns(self, described: dict[str, Any]) -> list[str]:
        named = getattr(self.model, "feature_names_in_", None)
        if named is not None:
            return [str(name) for name in named]
        inputs = json.loads((described.get("signature") or {}).get("inputs") or "[]")
        return [entry["name"] for entry in inputs if "name" in entry]

    @property
    def classes(self) -> list[Any] | None:
        """The classes of a classifier in the order of its probabilities; None for other models."""
        found = getattr(self.model, "classes_", None)
        return None if found is None else [getattr(value, "item", lambda value=value: value)() for value in found]

    def features(self, table: Any, *, label: str | None = None) -> Any:
        """The columns that the model reads.

        Raises:
            ProblemError: The table lacks some.
        """
        names = self.columns or [name for name in column_names(table) if name != label]
        absent = [name for name in names if name not in column_names(table)]
        if absent:
            raise ProblemError(f"the model reads columns that the table does not have: {', '.join(absent)}")
        selected = table[names] if not is_polars(table) else table.select(names)
        return selected.to_pandas() if self.needs_pandas and is_polars(table) else selected

    def score(self, features: Any) -> np.ndarray[Any, Any]:
        """One number a row: the probability of the second class, or the prediction; of more classes one of each.

        Raises:
            ProblemError: The model gives something else.
        """
        raw = np.asarray(self._predictor()(features))
        return _of_classes(raw, self.classes) if self.classes is not None else _numbers(raw)

    def _predictor(self) -> Callable[[Any], Any]:
        for name in ("predict_proba", "decision_function"):
            if self.classes is not None and hasattr(self.model, name):
                return getattr(self.model, name)  # type: ignore[no-any-return]
        return self.model.predict  # type: ignore[no-any-return]


def _load(folder: Path, flavor: str, described: dict[str, Any]) -> Any:
    """The model, by the loader that serves it; what it has no form for is loaded by MLflow, in a confined process."""
    from falaj import confinement, models

    if flavor in NATIVE_FLAVORS:
        return models.load_estimator(folder, described, flavor)
    if not confinement.in_force().complete:
        raise ProblemError("the model runs code of its own, which is loaded only by a confined process")
    return importlib.import_module(f"mlflow.{flavor}").load_model(str(folder))


def _of_classes(raw: np.ndarray[Any, Any], classes: list[Any]) -> np.ndarray[Any, Any]:
    """Scores of a classifier: of two classes the second's alone."""
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise ProblemError(f"the model has {len(classes)} classes; gates score models of 2 to {MOST_CLASSES:,}")
    if raw.ndim == 1 and (len(classes) > 2 or raw.dtype.kind not in "fc"):
        raw = np.stack([raw == each for each in classes], axis=1)  # classes alone: each row is sure of its own
    if len(classes) == 2:
        return _numbers(raw if raw.ndim == 1 else raw[:, -1])
    if raw.ndim != 2 or raw.shape[1] != len(classes):
        raise ProblemError(f"the model's answer has the shape {raw.shape}, needed one number for each of its classes")
    return _numbers(raw)


def _numbers(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim not in (1, 2):
        raise ProblemError(f"the model's predictions have the shape {raw.shape}, needed numbers a row")
    if raw.size > MOST_NUMBERS:
        raise ProblemError(f"the model gives {raw.size:,} numbers; gates take {MOST_NUMBERS:,}, which is fewer rows")
    try:
        return raw.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"the model's predictions are not numbers: {error}") from error
