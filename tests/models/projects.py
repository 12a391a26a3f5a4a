"""Models of every family as a step of a project would return them, and the table that the step got."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import statsmodels.api as sm
import statsmodels.formula.api as smf
import xgboost as xgb
from catboost import CatBoost, CatBoostClassifier, CatBoostRanker
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CITIES = ["Dubai", "Abu Dhabi", "Sharjah"]
_FEW = {"n_estimators": 8, "verbose": -1}


def rows(seed: int = 0, count: int = 300) -> pd.DataFrame:
    """Cities, a number whose column has a blank in its name, a whole number, and the label `y`."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "city": random.choice(CITIES, count),
            "flow rate": random.normal(size=count),
            "k": random.integers(0, 4, count),
        }
    )
    return table.assign(y=((table["city"] == "Dubai") * 1.5 + table["flow rate"] > 0.5).astype(int))


def with_categories(table: pd.DataFrame) -> pd.DataFrame:
    """Cities as a pandas category whose order is not that of the alphabet."""
    return table.assign(city=pd.Categorical(table["city"], categories=["Sharjah", "Dubai", "Abu Dhabi"]))


def with_notes(table: pd.DataFrame) -> pd.DataFrame:
    """A sentence beside each row, whose words say something about the label."""
    random = np.random.default_rng(len(table))
    sky = np.where(table["y"] == 1, "heavy rain", random.choice(["fine weather", "heavy rain"], len(table)))
    return table.assign(
        note=[f"{city.split()[0]} had {words} today" for city, words in zip(table["city"], sky, strict=True)]
    )


def with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Two numbers to predict in place of the label."""
    noise = np.random.default_rng(len(table)).normal(size=(len(table), 2)) / 5
    return _numbers(table).assign(
        y=table["flow rate"] * 2 + noise[:, 0], z=table["k"] - table["flow rate"] + noise[:, 1]
    )


def with_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Two labels of yes and no."""
    return _numbers(table).assign(z=(table["k"] > 1).astype(int))


def with_queries(table: pd.DataFrame) -> pd.DataFrame:
    """Ten rows a query, each with a relevance from 0 to 3."""
    place = np.arange(len(table)) // 10
    relevance = np.clip(np.round(table["flow rate"] + table["k"] / 2), 0, 3).astype(int)
    return _numbers(table).assign(y=relevance, query=[f"q{each}" for each in place])


def with_gaps(table: pd.DataFrame) -> pl.DataFrame:
    """The same in polars, each seventh city unknown."""
    cities = [None if index % 7 == 0 else city for index, city in enumerate(table["city"])]
    return pl.DataFrame({"city": cities, "flow rate": table["flow rate"].to_numpy(), "y": table["y"].to_numpy()})


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table[["flow rate", "k", "y"]]


def features(table: Any) -> Any:
    """The columns that a model reads."""
    gone = [name for name in ("y", "z", "query") if name in table.columns]
    return table.drop(gone) if isinstance(table, pl.DataFrame) else table.drop(columns=gone)


def _fitted(model: Any) -> Callable[[Any], Any]:
    return lambda table: model.fit(features(table), table["y"])


def _fitted_on_several(model: Any) -> Callable[[Any], Any]:
    return lambda table: model.fit(features(table), table[["y", "z"]].to_numpy())


def _ranked(model: Any, **arguments: Callable[[pd.DataFrame], Any]) -> Callable[[Any], Any]:
    return lambda table: model.fit(features(table), table["y"], **{name: of(table) for name, of in arguments.items()})


def _fitted_on_own_categories(model: Any) -> Callable[[pd.DataFrame], Any]:
    return lambda table: model.fit(features(with_categories(table)), table["y"])


def _lightgbm_booster(table: pd.DataFrame) -> Any:
    return lgb.train({"objective": "binary", "verbose": -1}, lgb.Dataset(features(table), table["y"]), 8)


def _xgboost_booster(table: pd.DataFrame) -> Any:
    matrix = xgb.DMatrix(features(table), table["y"], enable_categorical=True)
    return xgb.train({"objective": "binary:logistic"}, matrix, 8)


def _encoded(model: Any) -> Any:
    encoder = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough")
    return make_pipeline(encoder, model)


def _same(table: pd.DataFrame) -> pd.DataFrame:
    return table


_FORMULA = "y ~ Q('flow rate') * C(city) + I(k ** 2) + np.log1p(k)"
_BOOSTED = {"iterations": 8, "verbose": False, "allow_writing_files": False, "thread_count": 1}
_WORDS = make_column_transformer((TfidfVectorizer(), "note"), ("passthrough", ["flow rate"]))
_IN_PIPELINE = make_pipeline(StandardScaler(), lgb.LGBMClassifier(**_FEW))
_CATEGORICAL = xgb.XGBClassifier(n_estimators=8, enable_categorical=True)
Family = tuple[str, str, Callable[[pd.DataFrame], Any], Callable[[Any], Any]]
FAMILIES: dict[str, Family] = {
    "lightgbm-classifier": ("LightGBM", "`LGBMClassifier`", _numbers, _fitted(lgb.LGBMClassifier(**_FEW))),
    "lightgbm-categories": (
        "LightGBM", "`LGBMClassifier`, pandas `category` columns", with_categories,
        _fitted(lgb.LGBMClassifier(**_FEW)),
    ),
    "lightgbm-categories-of-the-step": (
        "LightGBM", "`LGBMClassifier`, categories made in the step", _same,
        _fitted_on_own_categories(lgb.LGBMClassifier(**_FEW)),
    ),
    "lightgbm-booster": ("LightGBM", "`lgb.Booster`", with_categories, _lightgbm_booster),
    "lightgbm-in-a-pipeline": ("LightGBM", "in a `Pipeline`", _numbers, _fitted(_IN_PIPELINE)),
    "xgboost-classifier": ("XGBoost", "`XGBClassifier`", _numbers, _fitted(xgb.XGBClassifier(n_estimators=8))),
    "xgboost-categories": (
        "XGBoost", "`XGBClassifier(enable_categorical=True)`", with_categories, _fitted(_CATEGORICAL)
    ),
    "xgboost-booster": ("XGBoost", "`xgb.Booster`", with_categories, _xgboost_booster),
    "xgboost-in-a-pipeline": (
        "XGBoost", "in a `Pipeline`", _same, _fitted(_encoded(xgb.XGBClassifier(n_estimators=4)))
    ),
    "catboost-categories": (
        "CatBoost", "`CatBoostClassifier`, pandas `category` columns", with_categories,
        _fitted(CatBoostClassifier(cat_features=["city", "k"], **_BOOSTED)),
    ),
    "catboost-text": (
        "CatBoost", "`CatBoostClassifier`, categories and text as they are", with_notes,
        _fitted(CatBoostClassifier(cat_features=["city"], text_features=["note"], **_BOOSTED)),
    ),
    "catboost-polars": (
        "CatBoost", "`CatBoostClassifier` on a polars table", pl.from_pandas,
        _fitted(CatBoostClassifier(cat_features=["city"], **_BOOSTED)),
    ),
    "catboost-raw": (
        "CatBoost", "`CatBoost`", _numbers, _fitted(CatBoost({"loss_function": "Logloss", **_BOOSTED}))
    ),
    "catboost-in-a-pipeline": (
        "CatBoost", "in a `Pipeline`", _numbers,
        _fitted(make_pipeline(StandardScaler().set_output(transform="pandas"), CatBoostClassifier(**_BOOSTED))),
    ),
    "statsmodels-formula": (
        "statsmodels", "results of a formula", _same, lambda table: smf.logit(_FORMULA, table).fit(disp=0)
    ),
    "statsmodels-columns": (
        "statsmodels", "results of columns and `add_constant`", _numbers,
        lambda table: sm.OLS(table["y"], sm.add_constant(table[["flow rate", "k"]])).fit(),
    ),
    "lightgbm-ranker": (
        "LightGBM", "`LGBMRanker`", with_queries,
        _ranked(lgb.LGBMRanker(**_FEW), group=lambda table: [10] * (len(table) // 10)),
    ),
    "xgboost-ranker": (
        "XGBoost", "`XGBRanker`", with_queries,
        _ranked(xgb.XGBRanker(n_estimators=8), qid=lambda table: np.arange(len(table)) // 10),
    ),
    "catboost-ranker": (
        "CatBoost", "`CatBoostRanker`", with_queries,
        _ranked(CatBoostRanker(**_BOOSTED), group_id=lambda table: np.arange(len(table)) // 10),
    ),
    "catboost-labels": (
        "CatBoost", "`CatBoostClassifier` of several labels a row", with_labels,
        _fitted_on_several(CatBoostClassifier(loss_function="MultiLogloss", **_BOOSTED)),
    ),
    "sklearn-text": (
        "scikit-learn", "`Pipeline` with a vectorizer on a text column", with_notes,
        _fitted(make_pipeline(_WORDS, LogisticRegression())),
    ),
    "sklearn-numbers": (
        "scikit-learn", "`RandomForestRegressor` of several numbers a row", with_numbers,
        _fitted_on_several(RandomForestRegressor(n_estimators=10, random_state=0)),
    ),
    "sklearn-labels": (
        "scikit-learn", "`MultiOutputClassifier`", with_labels,
        _fitted_on_several(MultiOutputClassifier(LogisticRegression())),
    ),
    "sklearn-one-vs-rest": (
        "scikit-learn", "`OneVsRestClassifier` of several labels a row", with_labels,
        _fitted_on_several(OneVsRestClassifier(LogisticRegression())),
    ),
    "sklearn-threshold": (
        "scikit-learn", "`FixedThresholdClassifier`", _numbers,
        _fitted(FixedThresholdClassifier(LogisticRegression(), threshold=0.2)),
    ),
    "sklearn-polars-nulls": (
        "scikit-learn", "`Pipeline` on a polars table with missing text", with_gaps,
        _fitted(_encoded(LogisticRegression())),
    ),
}  # fmt: skip
"""Library and form for people; what the step gets of the rows; what it returns."""

GATES: dict[str, tuple[str, dict[str, Any]]] = {
    "sklearn-numbers": ("rmse of z <= 0.6", {"label": ["y", "z"]}),
    "sklearn-labels": ("auc >= 0.6", {"label": ["y", "z"]}),
    "sklearn-one-vs-rest": ("brier of y <= 0.3", {"label": ["y", "z"]}),
    "catboost-labels": ("auc of z >= 0.6", {"label": ["y", "z"]}),
    **dict.fromkeys(
        ("lightgbm-ranker", "xgboost-ranker", "catboost-ranker"), ("ndcg@5 >= 0.8", {"label": "y", "group": "query"})
    ),
}
"""Gates of those that are not judged by `auc >= 0.6` of `y`, and what `monitoring` says for them."""

OWN_CODE = (
    (
        "scikit-learn",
        "`Pipeline` with a transformer class of the project, on dates too",
        "skops and the project's code",
    ),
    ("ONNX", "`Path` of a graph: columns or tensors, several outputs", "the graph"),
    ("statsforecast", "forecasts with intervals in a `PythonModel`", "MLflow's, and the project's code"),
    ("any", "`Path` of `mlflow.pyfunc.save_model`", "MLflow's, and the project's code"),
)
"""What `test_own_code.py`, `test_graphs.py` and `test_forecasts.py` show."""
_SAVED = {"`lgb.Booster`": "LightGBM's text", "`xgb.Booster`": "XGBoost's UBJSON", "in a `Pipeline`": "skops"}
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-model.md"
BEGINNING, END = "<!-- the table is written by `python -m tests.models.projects` -->\n", "<!-- its end -->\n"


def page_table() -> str:
    """What the tests of this folder take from a step to an answer over HTTP, as a table."""
    lines = ["| library | a step returns | saved as |", "|---|---|---|"]
    lines += [f"| {library} | {form} | {_saved_as(library, form)} |" for library, form, _, _ in FAMILIES.values()]
    lines += [f"| {library} | {form} | {saved} |" for library, form, saved in OWN_CODE]
    return "\n".join(lines) + "\n"


def _saved_as(library: str, form: str) -> str:
    return _SAVED.get(
        form,
        {"XGBoost": "XGBoost's UBJSON", "CatBoost": "CatBoost's CBM", "statsmodels": "parameters, as JSON"}.get(
            library, "skops"
        ),
    )


def written(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGINNING)
    return f"{before}{BEGINNING}{page_table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
