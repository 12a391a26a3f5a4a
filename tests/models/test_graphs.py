"""Graphs of ONNX that a step returns as the path of a file: saved, asked, judged and served."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from falaj.build.checks import run_gates
from falaj.build.packaging import package_model
from falaj.build.pipeline.runner.falaj_step.models import load_model, save_model
from falaj.build.pipeline.runner.falaj_step.problem import Problem
from falaj.config.gates import parse_gate
from falaj.models.backends import open_backend
from falaj.models.model_folder import read_model_folder
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench
from tests.models import graphs
from tests.models.projects import rows

pytestmark = pytest.mark.filterwarnings("ignore")
bench = conftest.bench
TOKENS = np.random.default_rng(6).integers(0, 50, (5, 7))


def saved(path: Path, folder: Path, **tables: Any) -> Path:
    save_model(path, str(folder / "saved"), tables, str(folder))
    return folder / "saved"


@pytest.mark.parametrize("batch", ["rows", 1])
def test_a_graph_of_a_tensor_answers_with_all_its_outputs(tmp_path: Path, batch: int | str) -> None:
    folder = read_model_folder(saved(graphs.embedding(tmp_path / "e.onnx", batch), tmp_path))
    assert not folder.signature.columns and folder.signature.features[0].shape == (-1,)
    model_outputs = open_backend(folder, 1).predict([TOKENS])
    assert np.allclose(model_outputs["embedding"], graphs.embedded(TOKENS), atol=1e-6)
    assert np.allclose(model_outputs["length"], np.linalg.norm(graphs.embedded(TOKENS), axis=1), atol=1e-6)


def test_a_graph_of_columns_has_the_signature_of_the_steps_table(tmp_path: Path) -> None:
    folder = read_model_folder(saved(graphs.of_columns(tmp_path / "c.onnx"), tmp_path, train=rows()))
    assert folder.signature.names == ("flow rate", "k") and folder.example
    columns = [rows()["flow rate"].to_numpy(), rows()["k"].to_numpy()]
    (answer,) = open_backend(folder, 1).predict(columns).values()
    assert np.allclose(answer, 1 / (1 + np.exp(-columns[0] - columns[1])), atol=1e-6)
    assert load_model(str(tmp_path / "saved"), "any").get_inputs()[0].name == "flow rate"


def test_probabilities_by_class_are_a_matrix_and_its_classes(tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    table = rows()[["flow rate", "k"]].to_numpy().astype(np.float32)
    model = LogisticRegression().fit(table, np.where(rows()["y"] == 1, "late", "on time"))
    (tmp_path / "m.onnx").write_bytes(to_onnx(model, table[:1]).SerializeToString())
    backend = open_backend(read_model_folder(saved(tmp_path / "m.onnx", tmp_path)), 1)
    model_outputs = backend.predict([table])
    assert backend.classes == ["late", "on time"] and model_outputs["label"].tolist() == model.predict(table).tolist()
    assert np.allclose(model_outputs["probability"], model.predict_proba(table), atol=1e-5)


def test_what_is_no_graph_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(Problem, match="cannot be read as a graph of ONNX"):
        saved(tmp_path / "x.onnx", tmp_path)


@pytest.mark.integration
def test_a_graph_with_another_number_of_answers_is_refused_at_packaging(tmp_path: Path) -> None:
    node = helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=1)
    graph_input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])
    answer = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 1])
    graphs._saved(tmp_path / "s.onnx", [node], [graph_input], [answer], {})
    folder = saved(tmp_path / "s.onnx", tmp_path)
    result = package_model(folder, tmp_path / "packaged", python=Path(sys.executable), table=None)
    assert result.refusal == "the model's output 'sum' has 1 answers for 2 rows"


@pytest.mark.integration
def test_probabilities_are_not_promised_of_a_model_that_gives_none(tmp_path: Path) -> None:
    folder = saved(graphs.of_columns(tmp_path / "c.onnx"), tmp_path, train=rows())
    result = package_model(
        folder, tmp_path / "packaged", python=Path(sys.executable), table=None, answer="probabilities"
    )
    assert result.refusal == "serving.answer is probabilities, and the model gives none"


@pytest.mark.models
def test_graphs_are_judged_and_answer(bench: Bench, serve: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("tensor", "columns", "table"):
        (tmp_path / name).mkdir()
    tensor = saved(graphs.embedding(tmp_path / "e.onnx"), tmp_path / "tensor")
    columns = saved(graphs.of_columns(tmp_path / "c.onnx"), tmp_path / "columns", train=rows())
    rows(seed=1, count=80).to_parquet(tmp_path / "table" / "data.parquet")
    result = package_model(columns, tmp_path / "judged", python=Path(sys.executable),
                           table=tmp_path / "table" / "data.parquet")  # fmt: skip
    assert not result.refusal and result.compared == 80 and result.reason == "it is ONNX already"
    bench.keep("fit", tmp_path / "judged")
    bench.keep("split.test", tmp_path / "table")
    bench.spec = replace(bench.spec, monitoring={"label": "y"})
    bench.gates(parse_gate("auc >= 0.55 on split.test"))
    (gate,) = run_gates(bench.context())
    assert gate.passed, gate.reason

    assert not package_model(tensor, tmp_path / "served", python=Path(sys.executable), table=None).refusal
    replica = serve(tmp_path / "served")
    answer = replica.invoke({"inputs": {"tokens": TOKENS.tolist()}}).json()["predictions"]
    assert answer.keys() == {"embedding", "length"}
    assert np.allclose(answer["embedding"], graphs.embedded(TOKENS), atol=1e-6)
    input_tensor = {"name": "tokens", "shape": [5, 7], "datatype": "INT64", "data": TOKENS.ravel().tolist()}
    output_tensors = replica.client.post("/v2/models/flight-delay/infer", json={"inputs": [input_tensor]}).json()[
        "outputs"
    ]
    assert [(each["name"], each["shape"]) for each in output_tensors] == [("embedding", [5, 4]), ("length", [5])]
