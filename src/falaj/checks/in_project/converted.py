"""A model by its conversion to ONNX: what is going to serve, and no library of the project to import.

It looks like an estimator to `models.py`: `feature_names_in_`, `classes_`, `predict` and `predict_proba`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .problems import ProblemError
from .tables import column, is_polars


def converted(folder: Path) -> Any:
    """The conversion in a packaged folder.

    None where there is none, where it does not say what its outputs are, and where the project's Python is another one
    than that for which ONNX Runtime was installed; the project's own library has the original then.
    """
    file = folder / "serving.json"
    record = json.loads(file.read_text()) if file.is_file() else {}
    if record.get("flavor") != "onnx" or "classes" not in record:
        return None
    try:
        return _Regressor(folder) if record["classes"] is None else _Classifier(folder, record["classes"])
    except ImportError:
        return None


class _Regressor:
    """A conversion that gives one number a row.

    Args:
        folder: Holds `model.onnx`, its record and `MLmodel`.

    Raises:
        ImportError: There is no ONNX Runtime for this Python.
        ProblemError: It cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        from falaj.serving.modelserver.backends.onnx import OnnxBackend
        from falaj.serving.modelserver.errors import ModelError
        from falaj.serving.modelserver.model_folder import read_model_folder

        try:
            read = read_model_folder(folder)
            self._session = OnnxBackend(read, threads=1)
        except ModelError as error:
            absent = isinstance(error.__cause__, ImportError)
            raise (ImportError if absent else ProblemError)(str(error)) from error
        self._signature = read.signature
        self.feature_names_in_ = list(read.signature.names) if read.signature.columns else None

    def predict(self, features: Any) -> np.ndarray[Any, Any]:
        """One value a row."""
        return self._outputs(features)["prediction"]

    def _outputs(self, features: Any) -> Mapping[str, np.ndarray[Any, Any]]:
        if not self._signature.columns:
            return self._session.predict([features.to_numpy()])
        return self._session.predict([_values(features, each) for each in self._signature.features])


class _Classifier(_Regressor):
    """A conversion that gives probabilities.

    Args:
        folder: As for a regressor.
        classes: In the order of the probabilities.
    """

    def __init__(self, folder: Path, classes: list[Any]) -> None:
        super().__init__(folder)
        self.classes_ = classes

    def predict_proba(self, features: Any) -> np.ndarray[Any, Any]:
        """One probability a row and class; single precision may pass 1 by a hair."""
        return self._outputs(features)["probability"].clip(0.0, 1.0)


def _values(features: Any, feature: Any) -> np.ndarray[Any, Any]:
    """A column as the graph takes it: numbers with NaN for missing ones, text with None."""
    if feature.kind == "string":
        return np.array([None if value is None else str(value) for value in column(features, feature.name)], dtype="O")
    values = features[feature.name]
    found = values.to_numpy() if is_polars(features) else values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(found, dtype=np.float64)
