"""Any MLflow model, through `mlflow.pyfunc`: the general and slow way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder
from falaj.models.tables import Array


class PyfuncBackend:
    """A model loaded by MLflow.

    Args:
        folder: An MLflow model folder with the `python_function` flavor.
    """

    platform = "mlflow"
    answer = "prediction"
    classes: Sequence[Any] | None = None

    def __init__(self, folder: ModelFolder) -> None:
        try:
            from mlflow import pyfunc

            self._model = pyfunc.load_model(str(folder.path))
        except Exception as error:  # MLflow runs the model's own loader
            raise ModelError(f"MLflow cannot load the model: {error}", where=str(folder.path)) from error
        self._signature = folder.signature

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch."""
        return self.answers(self._input(columns))

    def answers(self, table: Any) -> Mapping[str, Array]:
        """The outputs for a table, or for what else the model takes."""
        frame = table.to_pandas() if hasattr(table, "to_pandas") else table
        return {"prediction": _as_array(self._model.predict(frame))}

    def _input(self, columns: Sequence[Array]) -> Any:
        if self._signature.columns:
            import pandas

            return pandas.DataFrame(dict(zip(self._signature.names, columns, strict=True)))
        if len(columns) == 1:
            return columns[0]
        return dict(zip(self._signature.names, columns, strict=True))


def _as_array(prediction: Any) -> Array:
    """An array of what a pyfunc model returned: frame, series, list or array."""
    values = prediction.to_numpy() if hasattr(prediction, "to_numpy") else prediction
    array = np.asarray(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
