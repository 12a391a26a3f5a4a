"""What cannot be saved says why in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from falaj.pipeline.runner.falaj_step.models import save_model
from falaj.pipeline.runner.falaj_step.problem import Problem
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
