"""What cannot be saved says why in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from falaj.build.pipeline.runner.falaj_step.models import load_model, save_model
from falaj.build.pipeline.runner.falaj_step.problem import Problem
from tests.models.projects import rows


def fitted(*parts: Any) -> Any:
    return make_pipeline(*parts, LogisticRegression()).fit(rows()[["flow rate", "k"]], rows()["y"])


def refused(model: Any, table: Any, folder: Path) -> str:
    with pytest.raises(Problem) as caught:
        save_model(model, str(folder / "model"), {"rows": table}, str(folder))
    return f"{caught.value}; {caught.value.hint}"


def test_a_lambda(tmp_path: Path) -> None:
    model = fitted(FunctionTransformer(lambda values: np.abs(values), feature_names_out="one-to-one"))
    words = refused(model, rows(), tmp_path)
    assert words.startswith("the FunctionTransformer holds the function `") and "<lambda>" in words


def test_decimals(tmp_path: Path) -> None:
    table = pl.DataFrame(rows().drop(columns="city").to_dict("list")).with_columns(pl.col("k").cast(pl.Decimal(10, 2)))
    assert refused(fitted(), table, tmp_path).startswith("the column `k` holds decimals")


def test_columns_that_no_table_has(tmp_path: Path) -> None:
    words = refused(fitted(), rows().drop(columns="k"), tmp_path)
    assert "no table among the step's inputs has the columns" in words and "flow rate, k" in words


def own(values: Any) -> Any:
    return values * 2


def table_of_numbers() -> pd.DataFrame:
    return rows().rename(columns={"flow rate": "flow"})


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("y ~ own(flow)", "the formula calls `own`; it may call I, C, Q, abs"),
        ("y ~ flow.clip(0, 1)", "the formula calls `flow.clip`"),
        ("y ~ bs(flow, 4)", "the formula's `bs(flow, 4)` gives 4 columns"),
        ("y ~ center(flow)", "the formula calls `center`"),
    ],
)
def test_a_formula_that_is_more_than_arithmetic(tmp_path: Path, formula: str, reason: str) -> None:
    table = table_of_numbers()
    assert refused(smf.ols(formula, table).fit(), table, tmp_path).startswith(reason)


def test_results_that_are_no_linear_predictor(tmp_path: Path) -> None:
    words = refused(sm.tsa.ARIMA(rows()["flow rate"], order=(1, 0, 0)).fit(), rows(), tmp_path)
    assert words.startswith("the answers of ARIMA are not one linear predictor") and "mlflow.pyfunc.save_model" in words


FORMULAS = {
    "ols": lambda table: smf.ols("flow ~ C(city, Sum) * k + (k > 1) - 1", table),
    "probit": lambda table: smf.probit("y ~ flow + C(k, Treatment(2)):city", table),
    "mnlogit": lambda table: smf.mnlogit("k ~ flow + city", table),
    "negative binomial": lambda table: smf.negativebinomial("k ~ flow + city", table),
    "poisson": lambda table: smf.glm("k ~ np.abs(flow) + city", table, family=sm.families.Poisson()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(FORMULAS))
def test_results_of_statsmodels_are_their_parameters_alone(tmp_path: Path, name: str) -> None:
    table = table_of_numbers()
    model = FORMULAS[name](table)
    results = model.fit() if name in ("ols", "poisson") else model.fit(disp=0)
    save_model(results, str(tmp_path / "model"), {"rows": table}, str(tmp_path))
    again = load_model(str(tmp_path / "model"), "any")
    answers = again.predict_proba(table) if name == "mnlogit" else again.predict(table)
    assert np.allclose(answers, results.predict(table), rtol=1e-9)
    saved = (tmp_path / "model" / "parameters.json").stat().st_size
    assert saved < 2000, "the training table is not in it"
    gone = again.predict(table.head(2).assign(city=["Nowhere", "Dubai"]))
    assert name == "mnlogit" or (np.isnan(gone[0]) and not np.isnan(gone[1]))
