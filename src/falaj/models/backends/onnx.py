"""Models converted at packaging, computed by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder
from falaj.models.tables import Array

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxBackend:
    """An ONNX Runtime session.

    The packaging record names the graph's file, the graph input of each feature (one `[n, 1]` input a column, or one
    `[n, k]` input for all), the text that stands for a missing string, and the graph output of each output name.

    Args:
        folder: A folder that holds `model.onnx` and its packaging record.
        threads: Threads of one prediction.
    """

    platform = "onnx"

    def __init__(self, folder: ModelFolder, threads: int) -> None:
        self._session = open_session(str(folder.path / "model.onnx"), threads)
        record = folder.packaging
        self.answer = str(record["answer"])
        self.classes: Sequence[Any] | None = record.get("classes")
        self._missing_text = str(record.get("missing_text", ""))
        self._outputs = dict(record["outputs"])
        self._inputs = [(model_input.name, DTYPES[model_input.type]) for model_input in self._session.get_inputs()]
        self._feed = self._stacked if record["layout"] == "matrix" else self._separate

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch."""
        results = self._session.run(list(self._outputs.values()), self._feed(columns))
        return dict(zip(self._outputs, map(_one_dimension, results), strict=True))

    def _stacked(self, columns: Sequence[Array]) -> dict[str, Array]:
        name, dtype = self._inputs[0]
        if len(columns) == 1 and columns[0].ndim > 1:
            return {name: np.ascontiguousarray(columns[0], dtype)}
        return {name: np.stack(columns, axis=1).astype(dtype, copy=False)}

    def _separate(self, columns: Sequence[Array]) -> dict[str, Array]:
        return {
            name: self._cast(column, dtype)[:, np.newaxis]
            for (name, dtype), column in zip(self._inputs, columns, strict=True)
        }

    def _cast(self, column: Array, dtype: Any) -> Array:
        if dtype is not np.object_:
            return column.astype(dtype, copy=False)
        missing = column == np.array(None)
        return np.where(missing, self._missing_text, column) if missing.any() else column


def open_session(path: str, threads: int) -> Any:
    """A session of ONNX Runtime that reports nothing and does not spin.

    Raises:
        ModelError: The library is missing, or the graph cannot be loaded.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is loaded; else it reports to its maker
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("this model is a graph of ONNX and onnxruntime is not installed") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads take the cores that the event loop and the neighbours need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"the ONNX model cannot be loaded: {error}", where=path) from error


def _one_dimension(array: Array) -> Array:
    """A graph gives single numbers as [n, 1]; a row's answer is the number."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
