"""A forecast with its interval by horizon: fitted by statsforecast, wrapped for MLflow, judged and served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from falaj.build.checks import run_gates
from falaj.build.checks.model_files import scan_file
from falaj.build.packaging import package_model
from falaj.config.gates import parse_gate, with_columns
from falaj.core import sandbox
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench

pytestmark = [
    pytest.mark.models,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not sandbox.available().complete, reason="this kernel cannot confine"),
]
bench = conftest.bench
HORIZON = 7
MODULE = """
import mlflow
import pandas as pd


class Forecasts(mlflow.pyfunc.PythonModel):
    def __init__(self, known: dict[str, list[list[float]]]) -> None:
        self.known = known

    def predict(self, context, model_input, params=None):
        rows = [self.known[shop][day - 1] for shop, day in zip(model_input["shop"], model_input["horizon"])]
        return pd.DataFrame(rows, columns=["expected", "low", "high"])
"""
STEP = """
import sys; sys.path.insert(0, sys.argv[1])
import json, mlflow, pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import SeasonalNaive
from own.forecasts import Forecasts
sold = pd.read_parquet("sold.parquet")
found = StatsForecast([SeasonalNaive(season_length=7)], freq="D").forecast(df=sold, h=7, level=[90])
numbers = ["SeasonalNaive", "SeasonalNaive-lo-90", "SeasonalNaive-hi-90"]
model = Forecasts({shop: rows[numbers].astype(float).values.tolist() for shop, rows in found.groupby("unique_id")})
asked = pd.DataFrame({"shop": found["unique_id"].astype(object), "horizon": [*range(1, 8)] * 3})
answer = model.predict(None, asked)
mlflow.pyfunc.save_model(
    "saved", python_model=model, signature=mlflow.models.infer_signature(asked, answer),
    input_example=asked.head(3), code_paths=[sys.argv[1] + "/own"], pip_requirements=[],
)
print(json.dumps(answer.values.tolist()))
"""


def sales() -> pd.DataFrame:
    """A year of days of three shops, with a week in it; the last seven days are to be forecast."""
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=365)
    week = np.tile([1.0, 1, 1, 2, 3, 5, 4], 53)[:365]
    tables = [
        pd.DataFrame({"unique_id": shop, "ds": days, "y": size * week + random.normal(size=365)})
        for shop, size in (("a", 4), ("b", 9), ("c", 20))
    ]
    return pd.concat(tables, ignore_index=True)


def to_judge(table: pd.DataFrame) -> pd.DataFrame:
    """The last week by horizon, with the error of a naive forecast on the days before."""
    last = table.groupby("unique_id").tail(HORIZON)
    before = table.drop(last.index)
    naive = before.groupby("unique_id")["y"].apply(lambda y: float(y.diff(HORIZON).abs().mean()))
    return pd.DataFrame(
        {
            "shop": last["unique_id"].astype(object),
            "horizon": [*range(1, HORIZON + 1)] * 3,
            "sold": last["y"],
            "naive_error": last["unique_id"].map(naive).astype(float),
        }
    ).reset_index(drop=True)


def test_a_forecast_is_judged_by_horizon_and_answers_with_its_interval(
    bench: Bench, serve: Callable[..., Any], tmp_path: Path
) -> None:
    own, step, rows = bench.worktree / "own", tmp_path / "step", tmp_path / "rows"
    for folder in (own, step, rows):
        folder.mkdir()
    (own / "__init__.py").touch()
    (own / "forecasts.py").write_text(MODULE)
    table = sales()
    table.drop(table.groupby("unique_id").tail(HORIZON).index).to_parquet(step / "sold.parquet")
    to_judge(table).to_parquet(rows / "data.parquet")
    command = [sys.executable, "-W", "ignore", "-c", STEP, bench.worktree]
    process = subprocess.run(command, cwd=step, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    expected = json.loads(process.stdout.splitlines()[-1])

    result = package_model(step / "saved", tmp_path / "packaged", python=Path(sys.executable),
                           table=rows / "data.parquet")  # fmt: skip
    assert not result.refusal and result.own_code and result.compared == 21, result
    assert not [each for file in (step / "saved").rglob("*.pkl") for each in scan_file(file, file.name, ("own",))]
    bench.keep("fit", tmp_path / "packaged")
    bench.keep("split.test", rows)
    bench.spec = replace(bench.spec, monitoring={"label": "sold", "scale": "naive_error"})
    gates = (
        "mase <= 1.5 on D",
        "smape <= 0.3 on D",
        "coverage >= 0.6 on D",
        "mae <= 3 on D",
        "mae <= 9 on D by horizon",
    )
    bench.gates(*(with_columns(parse_gate(gate.replace("D", "split.test")), bench.spec.monitoring) for gate in gates))
    for gate in run_gates(bench.context()):
        assert gate.passed and gate.value is not None, gate.reason

    body = {"dataframe_split": {"columns": ["shop", "horizon"], "data": [["b", 1], ["b", 7]]}}
    answer = serve(tmp_path / "packaged").invoke(body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == [expected[7], expected[13]]
