"""Estimators in their own library, as MLflow saves them and without MLflow: scikit-learn, boosters, parameters."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from falaj import models
from falaj.models.backends import outputs_of_classifier
from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder
from falaj.models.tables import Array, Rows


class NativeBackend:
    """An estimator called with a table, or with a matrix when it was trained on one.

    Args:
        folder: An MLflow model folder of one of the flavors below.
        flavor: One of `models.NATIVE`.
    """

    def __init__(self, folder: ModelFolder, flavor: str) -> None:
        self.platform = flavor
        self.estimator = load_estimator(folder.path, folder.flavors[flavor], flavor)
        self._adapter = models.adapter(self.estimator)
        self._frame = _frame_builder(self._adapter, folder)
        self._classifies, self._likeliest = self._adapter.classifies, self._adapter.likeliest
        self.several = self._classifies and not self._likeliest and self._gives_several(folder)
        self.answer = _answer(folder.predict_method, self._classifies)
        self.classes: Sequence[Any] | None = _classes(self.estimator) if self._classifies and not self.several else None

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch."""
        return self.answers(self._frame(columns))

    def decision(self, columns: Sequence[Array]) -> Array | None:
        """What a classifier without probabilities decides by; None of other models."""
        if self._classifies or not hasattr(self.estimator, "decision_function"):
            return None
        return np.asarray(self.estimator.decision_function(self._frame(columns)))

    def answers(self, table: Any) -> Mapping[str, Array]:
        """The outputs for a table in the form that the model was trained on."""
        if not self._classifies:
            return {"prediction": np.asarray(self._adapter.predict(table))}
        probabilities = self._adapter.probabilities(table)
        if self._likeliest:  # one pass through the model instead of two
            return outputs_of_classifier(
                np.asarray(self.estimator.classes_)[probabilities.argmax(axis=1)], np.asarray(probabilities)
            )
        labels = np.asarray(self._adapter.predict(table))
        scores = _of_second_classes(probabilities) if self.several else np.asarray(probabilities)
        return outputs_of_classifier(labels, scores)

    def _gives_several(self, folder: ModelFolder) -> bool:
        """Whether the model answers the example with several labels a row, each of classes of its own."""
        if isinstance(getattr(self.estimator, "classes_", None), list):
            return True
        if not folder.example:
            return bool(getattr(self.estimator, "multilabel_", False))
        labels = np.asarray(self._adapter.predict(self._frame(Rows(folder.example).arrays(folder.signature))))
        return labels.ndim > 1 and labels.shape[1] > 1


def _of_second_classes(probabilities: Any) -> Array | None:
    """One probability a row and label, of its second class; None where a label has more than two classes."""
    if not isinstance(probabilities, list):
        return np.asarray(probabilities)
    if any(each.shape[1] != 2 for each in probabilities):
        return None
    return np.stack([each[:, 1] for each in probabilities], axis=1)


def _answer(method: str, classifies: bool) -> str:
    if not classifies:
        return "prediction"
    return "probability" if method == "predict_proba" else "label"


def _classes(estimator: Any) -> Sequence[Any] | None:
    """Classes in the order of the probabilities; None where there are several outputs of their own classes each."""
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return None
    class_list: list[Any] = classes.tolist()
    return class_list


def load_estimator(path: Path, flavor: Mapping[str, Any], name: str) -> Any:
    """Load the estimator that MLflow saved.

    Args:
        path: The model folder.
        flavor: The flavor's entry in MLmodel.
        name: One of `models.NATIVE`.

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


def _frame_builder(adapter: models.Estimator, folder: ModelFolder) -> Callable[[Sequence[Array]], Any]:
    signature, trained_on = folder.signature, folder.trained_on
    if not signature.columns:
        return lambda columns: columns[0]
    if trained_on is not None:
        names = signature.names
        return lambda columns: trained_on.frame(dict(zip(names, columns, strict=True)))
    if not adapter.named:
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
