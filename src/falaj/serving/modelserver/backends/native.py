"""Estimators in their own library: scikit-learn, LightGBM and XGBoost models as MLflow saves them, without MLflow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from falaj import models
from falaj.serving.modelserver.backends import outputs_of_classifier
from falaj.serving.modelserver.errors import ModelError
from falaj.serving.modelserver.model_folder import ModelFolder
from falaj.serving.modelserver.tables import Array


class NativeBackend:
    """An estimator called with a table, or with a matrix when it was trained on one.

    Args:
        folder: An MLflow model folder of one of the flavors below.
        flavor: `sklearn`, `lightgbm` or `xgboost`.
    """

    def __init__(self, folder: ModelFolder, flavor: str) -> None:
        self.platform = flavor
        self.estimator = load_estimator(folder.path, folder.flavors[flavor], flavor)
        self._names = folder.signature.names
        self._frame = _frame_builder(self.estimator, folder)
        self._classifies = hasattr(self.estimator, "predict_proba")
        self.answer = _answer(folder.predict_method, self._classifies)
        self.classes: Sequence[Any] | None = _classes(self.estimator) if self._classifies else None

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch."""
        table = self._frame(columns)
        if not self._classifies:
            return {"prediction": np.asarray(self.estimator.predict(table))}
        probabilities = np.asarray(self.estimator.predict_proba(table))
        classes = np.asarray(self.estimator.classes_)
        if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
            return outputs_of_classifier(np.asarray(self.estimator.predict(table)), probabilities)
        # One pass through the model instead of two: the label is the likeliest class.
        return outputs_of_classifier(classes[probabilities.argmax(axis=1)], probabilities)


def _answer(method: str, classifies: bool) -> str:
    if not classifies:
        return "prediction"
    return "probability" if method == "predict_proba" else "label"


def _classes(estimator: Any) -> Sequence[Any] | None:
    """Classes in the order of the probabilities; None where there are several outputs of their own classes each."""
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return None
    found: list[Any] = classes.tolist()
    return found


def load_estimator(path: Path, flavor: Mapping[str, Any], name: str) -> Any:
    """Load the estimator that MLflow saved.

    Args:
        path: The model folder.
        flavor: The flavor's entry in MLmodel.
        name: `sklearn`, `lightgbm` or `xgboost`.

    Returns:
        The estimator or booster.

    Raises:
        ModelError: Its library is missing or another version than it was saved with, or the file is broken.
    """
    try:
        return models.load_estimator(path, flavor, name)
    except Exception as error:  # unpickling runs the library's code, which may raise anything
        raise ModelError(
            f"the {name} model cannot be loaded: {type(error).__name__}: {error}",
            where=str(path),
            hint="run the server in the environment the model was trained in",
        ) from error


def _frame_builder(model: Any, folder: ModelFolder) -> Callable[[Sequence[Array]], Any]:
    signature = folder.signature
    if not signature.columns:
        return lambda columns: columns[0]
    booster = type(model).__name__ == "Booster"
    if booster and type(model).__module__.startswith("xgboost"):
        matrix = importlib.import_module("xgboost").DMatrix
        return lambda columns: matrix(np.stack(columns, axis=1), feature_names=list(signature.names))
    if booster or not hasattr(model, "feature_names_in_"):
        return lambda columns: np.stack(columns, axis=1)
    return _table_builder(signature.names)


def _table_builder(names: Sequence[str]) -> Callable[[Sequence[Array]], Any]:
    """A pandas frame if pandas is there, else a Polars one: an estimator trained on names needs names."""
    for library in ("pandas", "polars"):
        try:
            frame = importlib.import_module(library).DataFrame
        except ImportError:
            continue
        return lambda columns: frame(dict(zip(names, columns, strict=True)))
    raise ModelError("the estimator was trained on named columns and neither pandas nor polars is installed")
