"""Small graphs of ONNX, built by hand: an embedding of tokens, and numbers of columns with several outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TABLE = np.random.default_rng(5).normal(size=(50, 4)).astype(np.float32)
"""A row for each token."""


def _saved(path: Path, nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto],
           outputs: list[onnx.ValueInfoProto], constants: dict[str, np.ndarray]) -> Path:  # fmt: skip
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def embedding(path: Path, batch: int | str = "rows") -> Path:
    """Tokens to the mean of their rows in `TABLE`, and how long it is: two outputs."""
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["embedding"], axes=[1], keepdims=0),
        helper.make_node("ReduceL2", ["embedding"], ["length"], axes=[1], keepdims=0),
    ]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, [batch, "words"])
    outputs = [
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 4]),
        helper.make_tensor_value_info("length", TensorProto.FLOAT, [batch]),
    ]
    return _saved(path, nodes, [tokens], outputs, {"table": TABLE})


def embedded(tokens: np.ndarray) -> np.ndarray:
    """What the graph answers, by NumPy."""
    return np.asarray(TABLE[tokens].mean(axis=1))


def of_columns(path: Path) -> Path:
    """Two columns to the probability that their sum is high: one input a column."""
    nodes = [helper.make_node("Add", ["flow rate", "k"], ["sum"]), helper.make_node("Sigmoid", ["sum"], ["chance"])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("flow rate", "k")]
    outputs = [helper.make_tensor_value_info("chance", TensorProto.FLOAT, ["rows", 1])]
    return _saved(path, nodes, inputs, outputs, {})
