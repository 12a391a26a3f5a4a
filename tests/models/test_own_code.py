"""Models that bring code of the project: loaded only in the sandbox, and judged and served as any other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from falaj.build.checks import run_gates
from falaj.build.packaging import package_model
from falaj.core import sandbox
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench, threshold
from tests.models.projects import rows

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not sandbox.available().complete, reason="this kernel cannot confine"),
    pytest.mark.integration,
]
bench = conftest.bench

TRANSFORMER = """
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.feature_names_in_, self.means_ = list(X.columns), X[["flow rate"]].mean()
        return self

    def transform(self, X):
        X, sunday = X.fillna(self.means_), X["day"].dt.dayofweek == 6
        return pd.DataFrame({"x": X["flow rate"] * 2, "dubai": X["city"] == "Dubai", "sunday": sunday})
"""
FITTED = """
import sys; sys.path.insert(0, "app")
import pandas as pd
from falaj.build.pipeline.runner.falaj_step.models import save_model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from own.features import Doubled
table = pd.read_parquet("train.parquet")
columns = ["city", "flow rate", "day"]
model = make_pipeline(Doubled(), LogisticRegression()).fit(table[columns], table["y"])
save_model(model, "saved", {"train": table}, sys.argv[1])
print(model.predict_proba(table[columns].head(3))[:, 1].tolist())
"""
WRAPPED = """
import mlflow
import pandas as pd


class Scored(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        score = model_input["flow rate"].clip(0, 1)
        return pd.DataFrame({"score": score, "band": ["high" if value > 0.5 else "low" for value in score]})
"""
SAVED = """
import sys; sys.path.insert(0, "app")
import mlflow, pandas as pd
from own.features import Scored
table = pd.read_parquet("train.parquet")[["flow rate"]]
answer = Scored().predict(None, table.head(3))
mlflow.pyfunc.save_model(
    "saved", python_model=Scored(), signature=mlflow.models.infer_signature(table, answer),
    input_example=table.head(3), code_paths=["app/own"], pip_requirements=[],
)
print(answer["score"].tolist())
"""


def dated_rows(seed: int = 0, count: int = 300) -> pd.DataFrame:
    """A day beside each row."""
    return rows(seed, count).assign(day=pd.date_range("2026-01-01", periods=count))


@pytest.mark.parametrize(("module", "program"), [(TRANSFORMER, FITTED), (WRAPPED, SAVED)], ids=["class", "pyfunc"])
def test_code_of_the_project_is_judged_and_answers(
    bench: Bench, serve: Callable[..., Any], tmp_path: Path, module: str, program: str
) -> None:
    own = bench.worktree / "own"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "features.py").write_text(module)
    folder = tmp_path / "step"
    folder.mkdir()
    dated_rows().to_parquet(folder / "train.parquet")
    text = program.replace('"app"', repr(str(bench.worktree))).replace("app/own", str(own))
    command = [sys.executable, "-W", "ignore", "-c", text, bench.worktree]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr

    table = tmp_path / "rows"
    table.mkdir()
    dated_rows(seed=1, count=80).to_parquet(table / "data.parquet")
    result = package_model(folder / "saved", tmp_path / "packaged", python=Path(sys.executable),
                           table=table / "data.parquet")  # fmt: skip
    assert not result.refusal and result.own_code and result.compared == 80, result
    bench.keep("fit", tmp_path / "packaged")
    bench.keep("split.test", table)
    bench.spec = replace(bench.spec, monitoring={"label": "y"})
    bench.gates(threshold("auc", ">=", 0.6))
    (gate,) = run_gates(bench.context())
    assert gate.passed, gate.reason

    named = ["city", "flow rate", "day"] if module is TRANSFORMER else ["flow rate"]
    request_rows = dated_rows().assign(day=lambda table: table["day"].dt.strftime("%Y-%m-%d"))
    data = list(zip(*(request_rows[name].tolist()[:3] for name in named), strict=True))
    request_body = {"dataframe_split": {"columns": named, "data": data}, "params": {"answer": "both"}}
    answer = serve(tmp_path / "packaged").invoke(request_body)
    assert answer.status_code == 200, answer.text
    name, place = ("probabilities", 1) if module is TRANSFORMER else ("predictions", 0)
    assert [row[place] for row in answer.json()[name]] == json.loads(process.stdout)


def test_a_model_that_cannot_be_loaded_is_refused_at_packaging(tmp_path: Path) -> None:
    """And not deployed as an endpoint that never becomes ready."""
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    table = rows()[["flow rate", "k"]]
    model = LogisticRegression().fit(table, rows()["y"])
    signature = mlflow.models.infer_signature(table, model.predict(table))
    mlflow.sklearn.save_model(model, tmp_path / "saved", serialization_format="cloudpickle", signature=signature,
                              pip_requirements=[])  # fmt: skip
    (tmp_path / "saved" / "model.pkl").write_bytes(b"cown.features\nGone\n(tR.")
    result = package_model(tmp_path / "saved", tmp_path / "packaged", python=Path(sys.executable), table=None)
    assert "own.features.Gone" in result.refusal
