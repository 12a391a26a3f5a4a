"""Tables and models of kinds that no page names: refused with their column and what to do, or saved as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from falaj.build.checks.model_files import declared_libraries, scan
from falaj.build.pipeline.runner.falaj_step.models import save_model
from falaj.build.pipeline.runner.falaj_step.problem import Problem
from falaj.build.pipeline.runner.falaj_step.tables import write_table
from falaj.models import ModelFileError, load_estimator
from falaj.models.names import Import, is_allowed
from falaj.models.training_table import describe, from_metadata

pytestmark = pytest.mark.filterwarnings("ignore")

COUNT = 40
LABEL = np.arange(COUNT) % 2
PLAIN = {"a": np.linspace(0, 1, COUNT), "b": LABEL + np.linspace(0, 1, COUNT)}


def refused(value: Any, table: pd.DataFrame, folder: Path) -> str:
    with pytest.raises(Problem) as caught:
        save_model(value, str(folder / "saved"), {"train": table}, str(folder / "worktree"))
    return f"{caught.value}; {caught.value.hint}"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.to_timedelta(np.arange(COUNT), unit="h"), "the column `x y` holds time spans"),
        (np.arange(COUNT).astype("uint64"), "the column `x y` holds whole numbers without a sign of 64 bits"),
        (np.arange(COUNT) * 1j, "the column `x y` holds complex numbers"),
    ],
)
def test_a_column_without_a_type_in_signatures_is_named(tmp_path: Path, values: Any, words: str) -> None:
    model = LogisticRegression().fit(pd.DataFrame({"a": LABEL, "x y": LABEL}), LABEL)
    assert refused(model, pd.DataFrame({"a": LABEL, "x y": values}), tmp_path).startswith(words)


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    return table["x y"].map(len).to_frame()


def test_values_that_no_column_of_a_signature_has_are_named(tmp_path: Path) -> None:
    table = pd.DataFrame({"x y": pd.Series([{1}] * COUNT)})
    model = make_pipeline(FunctionTransformer(sizes), LogisticRegression()).fit(table, LABEL)
    assert refused(model, table, tmp_path).startswith("the column `x y` holds set")


def test_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": LABEL, "": LABEL})
    assert refused(LogisticRegression().fit(table, LABEL), table, tmp_path).startswith("a column of the table has no")


def test_columns_with_numbers_for_names_are_to_be_named(tmp_path: Path) -> None:
    table = pd.DataFrame(np.c_[PLAIN["a"], PLAIN["b"]])
    assert "have numbers for names" in refused(LogisticRegression().fit(table, LABEL), table, tmp_path)


class Threshold(ClassifierMixin, BaseEstimator):
    """As people write their own: it keeps no names."""

    def fit(self, X: Any, y: Any) -> Threshold:  # noqa: N803 - scikit-learn's words
        self.classes_ = np.array([0, 1])
        return self


def test_an_own_estimator_is_told_how_it_keeps_names(tmp_path: Path) -> None:
    words = refused(Threshold().fit(None, None), pd.DataFrame(PLAIN), tmp_path)
    assert "set `self.feature_names_in_ = list(X.columns)`" in words


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "returned a table with the column `a` twice"),
        (pd.DataFrame({"a": [1, 2], "m": [1, "one"]}), "returned a table whose column `m` (int, str) cannot be kept"),
        (pd.DataFrame({"bin": pd.cut([1.0, 2.0], [0, 1, 2])}), "returned a table whose column `bin` (category)"),
    ],
)
def test_a_table_that_parquet_cannot_hold_names_the_column(tmp_path: Path, table: pd.DataFrame, words: str) -> None:
    with pytest.raises(Problem) as caught:
        write_table(table, str(tmp_path))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_truths_with_gaps_come_back_as_they_were(missing: Any) -> None:
    table = pd.DataFrame({"flag": pd.Series([True, missing, False], dtype=object)})
    form = from_metadata({"metadata": {"falaj": {"table": describe(table).to_json()}}})
    assert form is not None
    values = form.frame({"flag": np.array([1.0, np.nan, 0.0])})["flag"].tolist()
    assert [type(value) for value in values] == [bool, type(missing), bool]
    assert [values[0], values[2]] == [True, False]


class Centred(TransformerMixin, BaseEstimator):
    """Of a library that nobody has looked at; what it learns is a pandas series."""

    def fit(self, X: Any, y: Any = None) -> Centred:  # noqa: N803
        self.feature_names_in_, self.means_ = np.asarray(X.columns, dtype=object), X.mean()
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        return X - self.means_


@pytest.fixture
def other_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """`Centred` as a class of the library `otherlib`, whose package `own` is not."""
    library = ModuleType("otherlib")
    library.__file__ = str(tmp_path / "site-packages" / "otherlib.py")
    library.Centred = Centred  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "otherlib", library)
    monkeypatch.setattr(Centred, "__module__", "otherlib")
    return Centred


def test_a_model_of_another_library_says_so_and_is_loaded_only_when_confined(
    tmp_path: Path, other_library: type
) -> None:
    table, saved = pd.DataFrame(PLAIN), tmp_path / "saved"
    model = make_pipeline(other_library(), LogisticRegression()).fit(table, LABEL)
    save_model(model, str(saved), {"train": table}, str(tmp_path / "worktree"))
    flavor = yaml.safe_load((saved / "MLmodel").read_text())["flavors"]["sklearn"]
    assert flavor["libraries"] == ["otherlib"] and declared_libraries(saved) == ("otherlib",)
    assert scan(saved, ()).passed
    with pytest.raises(ModelFileError, match="the model brings code of otherlib, which is loaded only by a confined"):
        load_estimator(saved, flavor, "sklearn")


def test_a_package_whose_name_is_part_of_other_words_is_not_saved_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("own")  # as in `unknown` and `handle_unknown`
    package.__file__ = str(tmp_path / "worktree" / "src" / "own" / "__init__.py")
    monkeypatch.setitem(sys.modules, "own", package)
    table, saved = pd.DataFrame(PLAIN), tmp_path / "saved"
    model = LogisticRegression().fit(table.rename(columns={"a": "unknown"}), LABEL)
    save_model(model, str(saved), {"train": table.rename(columns={"a": "unknown"})}, str(tmp_path / "worktree"))
    assert b"own" in (saved / "model.skops").read_bytes() and skops.io.load(saved / "model.skops") is not None
    assert not (saved / "code").exists()


def test_tables_are_loaded_beside_confined_code_alone() -> None:
    series = Import("pandas.core.series", "Series")
    assert not is_allowed(series) and not is_allowed(series, ["subprocess"])
    assert is_allowed(series, ["own"])
    assert not is_allowed(Import("pandas.core.computation.expr", "Expr"), ["own"])
