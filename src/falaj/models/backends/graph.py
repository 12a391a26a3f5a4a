"""A graph of ONNX as a project brings it: columns or tensors in, one output or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from falaj.models.backends.onnx import DTYPES, open_session
from falaj.models.errors import ModelError
from falaj.models.frame_columns import columns_of_frame
from falaj.models.model_folder import ModelFolder
from falaj.models.tables import Array

_LABEL, _PROBABILITY = ("label", "output_label"), ("probability", "probabilities", "output_probability")


class GraphBackend:
    """An ONNX Runtime session whose inputs are the features of the signature, by name, and whose outputs are answers.

    A classifier's outputs (`label` and `probabilities`, as converters of scikit-learn name them) are named as those of
    other models; all other outputs keep their names. A graph for one row at a time is asked row by row.

    Args:
        folder: A folder with the flavor `onnx`.
        threads: Threads of one prediction.

    Raises:
        ModelError: The graph cannot be loaded, or has an input that the signature does not name.
    """

    platform = "onnx"

    def __init__(self, folder: ModelFolder, threads: int) -> None:
        path = folder.path / str(folder.flavors["onnx"]["data"])
        if not path.resolve().is_relative_to(folder.path.resolve()):
            raise ModelError("the model names a graph that is not in its folder", where=str(folder.path))
        self._session = open_session(str(path), threads)
        self._signature = folder.signature
        self.classes: Sequence[Any] | None = None
        self._inputs = [self._input(feature.name, index) for index, feature in enumerate(folder.signature.features)]
        self._outputs = {output.name: _named(output.name) for output in self._session.get_outputs()}
        if "label" not in self._outputs.values():
            self._outputs = {name: name for name in self._outputs}
        self.answer = next(iter(self._outputs.values()))
        self._one_row = any(model_input.shape[:1] == [1] for model_input, _ in self._inputs)
        if any(output.type.startswith("seq(map(") for output in self._session.get_outputs()):
            self.predict([self._zeros(model_input) for model_input, _ in self._inputs])  # says what the classes are

    def _input(self, name: str, index: int) -> tuple[Any, Any]:
        model_inputs = self._session.get_inputs()
        model_input = next(
            (each for each in model_inputs if each.name == name), model_inputs[index] if not name else None
        )
        if model_input is None or model_input.type not in DTYPES:
            named = ", ".join(f"{each.name} ({each.type})" for each in model_inputs)
            raise ModelError(f"the graph has no input {name!r} of a type that is served; it has {named}")
        return model_input, DTYPES[model_input.type]

    def _zeros(self, model_input: Any) -> Array:
        dtype = DTYPES[model_input.type]
        shape = [length if isinstance(length, int) else 1 for length in model_input.shape]
        return np.full(shape, "", dtype) if dtype is np.object_ else np.zeros(shape, dtype)

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch."""
        if not self._one_row or len(columns[0]) == 1:
            return self._run(columns)
        rows = [self._run([values[row : row + 1] for values in columns]) for row in range(len(columns[0]))]
        return {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}

    def answers(self, table: Any) -> Mapping[str, Array]:
        """The outputs for a table."""
        columns = columns_of_frame(table, self._signature) if self._signature.columns else [np.asarray(table)]
        return self.predict(columns)

    def _run(self, columns: Sequence[Array]) -> dict[str, Array]:
        feed = {
            model_input.name: _fed(values, model_input, dtype)
            for (model_input, dtype), values in zip(self._inputs, columns, strict=True)
        }
        results = self._session.run(list(self._outputs), feed)
        return {name: self._array(each) for name, each in zip(self._outputs.values(), results, strict=True)}

    def _array(self, result: Any) -> Array:
        """An output as an array; of probabilities by class the matrix, whose columns are the classes."""
        if isinstance(result, list) and result and isinstance(result[0], Mapping):
            classes = list(result[0])
            self.classes = classes
            return np.array([[row[name] for name in classes] for row in result])
        array = np.asarray(result)
        return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _named(name: str) -> str:
    return "label" if name in _LABEL else "probability" if name in _PROBABILITY else name


def _fed(values: Array, model_input: Any, dtype: Any) -> Array:
    """Values as the graph takes them: a column as one a row, or as a matrix of one column."""
    if dtype is np.object_:
        values = np.array(["" if value is None else value for value in values.ravel()], dtype="O").reshape(values.shape)
    else:
        values = np.ascontiguousarray(values.astype(dtype, copy=False))
    return values[:, np.newaxis] if values.ndim == 1 and len(model_input.shape) == 2 else values
