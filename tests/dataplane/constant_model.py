"""A packaged model folder made by hand: it predicts the number of its release, so that an answer tells who gave it."""

from __future__ import annotations

import json
from pathlib import Path

from onnx import TensorProto, checker, helper, save

MLMODEL = """
flavors: {onnx: {}}
signature: {inputs: '[{"type": "double", "name": "x", "required": true}]'}
"""
SERVING = {"flavor": "onnx", "answer": "prediction", "outputs": {"prediction": "y"}, "layout": "matrix"}


def make_model(folder: Path, release: float) -> Path:
    folder.mkdir(parents=True)
    constants = [
        helper.make_tensor(name, TensorProto.DOUBLE, [1], [value])
        for name, value in (("zero", 0.0), ("number", release))
    ]
    nodes = [helper.make_node("Mul", ["x", "zero"], ["nothing"]), helper.make_node("Add", ["nothing", "number"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["rows", 1]) for name in "xy")
    graph = helper.make_graph(nodes, "constant", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, str(folder / "model.onnx"))
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "serving.json").write_text(json.dumps(SERVING))
    return folder
