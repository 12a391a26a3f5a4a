"""Every family from the step that trains it to an answer over HTTP: saved, packaged, judged by a gate, served."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xgboost as xgb

from falaj.build.checks import run_gates
from falaj.build.checks.model_files import scan_file
from falaj.build.packaging import package_model
from falaj.build.pipeline.runner.falaj_step.models import load_model, save_model
from falaj.build.pipeline.runner.falaj_step.tables import write_table
from falaj.config.gates import parse_gate, with_columns
from falaj.models.loading import ModelFileError, load_pickle
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench
from tests.models.projects import FAMILIES, GATES, features, rows

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # libraries of models warn of each other's versions
    pytest.mark.integration,
]
bench = conftest.bench


def saved(name: str, folder: Path) -> tuple[Any, Any]:
    """The model in memory and the step's table; the model is saved to `folder`."""
    _, _, table_of, fit = FAMILIES[name]
    table = table_of(rows())
    model = fit(table)
    save_model(model, str(folder), {"train": table}, str(folder.parent / "worktree"))
    return model, table


def unseen_rows(model: Any, name: str) -> tuple[Any, np.ndarray[Any, Any]]:
    """Rows that the model was not trained on, and what it answers in memory."""
    table = FAMILIES[name][2](rows(seed=1, count=80))
    model_inputs = own_rows(name, table)
    if isinstance(model, xgb.Booster):
        return table, model.predict(xgb.DMatrix(model_inputs, enable_categorical=True))
    if "statsmodels" in name:
        return table, np.asarray(model.predict(model_inputs if "formula" in name else sm.add_constant(model_inputs)))
    return table, in_memory(model, model_inputs)


def in_memory(model: Any, model_inputs: Any) -> np.ndarray[Any, Any]:
    """Probabilities of the second class, one a label, or what is predicted."""
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(model_inputs))
    class_probabilities = model.predict_proba(model_inputs)
    if isinstance(class_probabilities, list):
        return np.stack([each[:, 1] for each in class_probabilities], axis=1)
    several = np.ndim(model.predict(model_inputs)) > 1
    return np.asarray(class_probabilities) if several else np.asarray(class_probabilities)[:, 1]


def answers_of(replica: Any, table: Any) -> tuple[np.ndarray[Any, Any], Any]:
    """One probability a row (and label), or the numbers, and what is decided; over HTTP."""
    columns = list(features(table).columns)
    data = list(zip(*(table[name].to_list() for name in columns), strict=True))
    body = {"dataframe_split": {"columns": columns, "data": data}, "params": {"answer": "both"}}
    answer = replica.invoke(body)
    assert answer.status_code == 200, answer.text
    answer_body = answer.json()
    if "probabilities" not in answer_body:
        return np.array(answer_body["predictions"]), answer_body["predictions"]
    several = isinstance(answer_body["predictions"][0], list)
    return np.array([row if several else row[1] for row in answer_body["probabilities"]]), answer_body["predictions"]


@pytest.mark.models
@pytest.mark.parametrize("name", list(FAMILIES))
def test_what_was_trained_is_judged_and_answers(
    bench: Bench, serve: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    model, _ = saved(name, tmp_path / "saved")
    table, expected = unseen_rows(model, name)
    folder = tmp_path / "rows"
    folder.mkdir()
    write_table(table, str(folder))
    result = package_model(
        tmp_path / "saved", tmp_path / "packaged", python=Path(sys.executable), table=folder / "data.parquet"
    )
    assert not result.refusal and result.compared == 80, result
    files = [file for file in (tmp_path / "packaged").rglob("*") if file.is_file()]
    assert not [finding for file in files for finding in scan_file(file, file.name, ())]

    bench.keep("fit", tmp_path / "packaged")
    bench.keep("split.test", folder)
    gate, monitoring = GATES.get(name, ("auc >= 0.6", {"label": "y"}))
    bench.gates(with_columns(parse_gate(f"{gate} on split.test"), monitoring))
    bench.spec = replace(bench.spec, monitoring=monitoring)
    (gate,) = run_gates(bench.context())
    assert gate.passed, gate.reason

    tolerance = 1e-5 if result.flavor == "onnx" else 1e-12 if "statsmodels" in name else 0
    answers, decided = answers_of(serve(tmp_path / "packaged"), table)
    assert np.allclose(answers, expected, rtol=0, atol=tolerance)
    if hasattr(model, "predict_proba"):
        assert decided == model.predict(own_rows(name, table)).tolist()
    again = load_model(str(tmp_path / "packaged"), "any")
    assert type(again).__name__ == type(model).__name__ or "statsmodels" in name


def own_rows(name: str, table: Any) -> Any:
    """The columns that the model reads, as the step made them."""
    feature_table = features(table)
    if not name.endswith("of-the-step"):
        return feature_table
    return feature_table.assign(
        city=pd.Categorical(feature_table["city"], categories=["Sharjah", "Dubai", "Abu Dhabi"])
    )


@pytest.mark.models
@pytest.mark.parametrize("name", ["lightgbm-categories", "xgboost-categories"])
def test_a_category_that_was_not_seen_is_answered_as_a_missing_one(
    serve: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    saved(name, tmp_path / "saved")
    replica = serve(tmp_path / "saved")
    table = pd.DataFrame({"city": ["Nowhere", "Dubai"], "flow rate": [0.1, 0.1], "k": [1, 1]})
    unseen, seen_category = answers_of(replica, table)[0]
    missing = unseen_answer(name)
    assert unseen == missing and seen_category != missing


def unseen_answer(name: str) -> float:
    _, _, table_of, fit = FAMILIES[name]
    table = table_of(rows())
    row = table.drop(columns="y").head(1).assign(city=[None], **{"flow rate": [0.1], "k": [1]})
    row["city"] = row["city"].astype(table["city"].dtype)
    return float(fit(table).predict_proba(row)[0, 1])


def test_a_booster_in_a_pickle_is_refused(tmp_path: Path) -> None:
    model, _ = saved("lightgbm-classifier", tmp_path / "saved")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    assert "lightgbm" in str([*scan_file(tmp_path / "model.pkl", "model.pkl", ())])
    with pytest.raises(ModelFileError, match="lightgbm"):
        load_pickle(tmp_path / "model.pkl")
