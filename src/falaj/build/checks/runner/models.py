"""Loading a packaged model and scoring rows with it: by the backend that is going to answer, in the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.core import sandbox
from falaj.models import NATIVE

from .problems import ProblemError
from .tables import column_names, is_polars

MOST_CLASSES = 1000
MOST_NUMBERS = 100_000_000


def model_folder(path: Path) -> Path:
    """The folder with `MLmodel`: the artifact itself or the one below it."""
    model_folders = [path] if (path / "MLmodel").is_file() else sorted(file.parent for file in path.rglob("MLmodel"))
    if len(model_folders) != 1:
        raise ProblemError(f"{len(model_folders)} MLflow models found in the model artifact, needed one")
    return model_folders[0]


class LoadedModel:
    """A model and the columns it reads.

    Args:
        folder: The folder with `MLmodel`.

    Raises:
        ProblemError: It cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        from falaj.models.errors import ModelError
        from falaj.models.model_folder import read_model_folder

        try:
            self._folder = read_model_folder(folder)
            self._backend = _backend(self._folder)
        except ModelError as error:
            raise ProblemError(error.message) from error
        self.flavor = _flavor(self._backend)
        signature = self._folder.signature
        self.columns = list(signature.names) if signature.columns else []

    @property
    def _several(self) -> bool:
        """Whether the model gives several labels a row, each of classes of its own."""
        return bool(getattr(self._backend, "several", False))

    @property
    def classes(self) -> list[Any] | None:
        """The classes of a classifier in the order of its probabilities; None for other models."""
        named = getattr(getattr(self._backend, "estimator", None), "classes_", None)
        one = (
            self._backend.classes is None
            and getattr(named, "ndim", 0) == 1
            and getattr(named, "size", 0)
            and not self._several
        )
        class_values = named if one else self._backend.classes
        return (
            None
            if class_values is None
            else [getattr(value, "item", lambda value=value: value)() for value in class_values]
        )

    def features(self, table: Any, *, label: str | None = None) -> Any:
        """The columns that the model reads.

        Raises:
            ProblemError: The table lacks some.
        """
        names = self.columns or [name for name in column_names(table) if name != label]
        absent = [name for name in names if name not in column_names(table)]
        if absent:
            raise ProblemError(f"the model reads columns that the table does not have: {', '.join(absent)}")
        return table.select(names) if is_polars(table) else table[names]

    def score(self, features: Any) -> NDArray[np.generic]:
        """One number a row: the probability of the second class, or the prediction; of more classes one of each.

        Raises:
            ProblemError: The model gives something else.
        """
        raw = self._scores(features)
        return _of_classes(raw, self.classes) if self.classes is not None else _numbers(raw)

    def _scores(self, features: Any) -> NDArray[np.generic]:
        columns = arrays(features, self._folder.signature)
        outputs = self._backend.predict(columns)
        if "probability" in outputs:
            probabilities = np.asarray(outputs["probability"])
            return (
                probabilities.clip(0.0, 1.0) if probabilities.dtype == np.float32 else probabilities
            )  # which may pass 1 by a hair
        decision = getattr(self._backend, "decision", lambda _columns: None)(columns)
        return _numbers_of(np.asarray(outputs[self._backend.answer])) if decision is None else np.asarray(decision)


def _numbers_of(raw: NDArray[np.generic]) -> NDArray[np.generic]:
    """Of an answer of several columns the only one that holds numbers; others as they are."""
    if raw.ndim != 2 or raw.dtype.kind != "O":
        return raw
    numeric = [column for column in raw.T if all(isinstance(value, float | int | np.number) for value in column)]
    return np.asarray(numeric[0], dtype=np.float64) if len(numeric) == 1 else raw


def _flavor(backend: Any) -> str:
    return "pyfunc" if backend.platform == "mlflow" else str(backend.platform)


def _backend(folder: Any) -> Any:
    """What answers; the estimator itself where a conversion does not say what its outputs are."""
    from falaj.models.backends import open_backend
    from falaj.models.errors import ModelError

    native = replace(folder, packaging={})
    if not {*NATIVE} & {*folder.flavors} and not sandbox.in_force().complete:
        raise ProblemError("the model runs code of its own, which is loaded only by a confined process")
    if folder.packaging.get("flavor") == "onnx" and "classes" not in folder.packaging:
        return open_backend(native, threads=1)
    try:
        return open_backend(folder, threads=1)
    except ModelError as error:
        if not isinstance(error.__cause__, ImportError) or folder.packaging.get("flavor") != "onnx":
            raise
        return open_backend(native, threads=1)  # this Python is another one than ONNX Runtime was installed for


def arrays(features: Any, signature: Any) -> list[Any]:
    """A table as replicas are given the rows of a request: one array a feature.

    Raises:
        ProblemError: A column holds what the model does not read.
    """
    from falaj.models.frame_columns import columns_of_frame

    if not signature.columns:
        return [np.asarray(features)]
    try:
        return columns_of_frame(features, signature)
    except ValueError as error:
        raise ProblemError(str(error)) from error


def _of_classes(raw: NDArray[np.generic], classes: list[Any]) -> NDArray[np.generic]:
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


def _numbers(raw: NDArray[np.generic]) -> NDArray[np.generic]:
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
