"""One adapter a family of models: how to ask a fitted model for columns, labels and probabilities.

Used where a model is saved, judged, packaged and served, so that all of them ask alike. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from .training_table import TrainingColumn, TrainingTable

_TEXT = ("str", "string", "object", "String", "large_string")
_LIKELIEST = frozenset(
    {
        "BernoulliNB", "CalibratedClassifierCV", "CatBoostClassifier", "DecisionTreeClassifier", "ExtraTreeClassifier",
        "ExtraTreesClassifier", "GaussianNB", "GradientBoostingClassifier", "HistGradientBoostingClassifier",
        "LGBMClassifier", "LogisticRegression", "MultinomialNB", "RandomForestClassifier", "XGBClassifier",
    }
)  # fmt: skip
_COLUMNS = ("feature_names_in_", "feature_name_", "feature_names_")


class Estimator:
    """A model with the methods of scikit-learn; what LightGBM, XGBoost and CatBoost have beside it is the same.

    Args:
        model: The fitted model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.classifies = hasattr(model, "predict_proba")

    def columns(self) -> list[str]:
        """Names of the columns as the model has them; empty when it knows none."""
        for name in _COLUMNS:
            names = getattr(self.model, name, None)  # a property that raises AttributeError before `fit`
            if names is not None and len(names):
                return [str(each) for each in names]
        return []

    @property
    def named(self) -> bool:
        """Whether it was trained on a table, and so is asked with one."""
        return bool(self.columns())

    @property
    def likeliest(self) -> bool:
        """Whether the label is always the class with the highest probability, so that it need not be asked for.

        It is not where a threshold was chosen or a vote is taken, nor of several labels a row.
        """
        last = self.model.steps[-1][1] if hasattr(self.model, "steps") else self.model
        one = getattr(getattr(last, "classes_", None), "ndim", 0) == 1
        return type(last).__name__ in _LIKELIEST and one and not self._chosen_threshold(last)

    def _chosen_threshold(self, model: Any) -> bool:
        chosen = getattr(model, "get_probability_threshold", lambda: None)()
        if chosen is None:
            return False
        return chosen != 0.5 or model.get_all_params().get("loss_function") in ("MultiLogloss", "MultiCrossEntropy")

    def predict(self, frame: Any) -> Any:
        """Labels or numbers, one a row."""
        return self.model.predict(frame)

    def probabilities(self, frame: Any) -> Any:
        """One probability a row and class; None of a model that has none."""
        return self.model.predict_proba(frame) if self.classifies else None

    def trained_on(self, table: TrainingTable) -> TrainingTable:
        """The form that the model was fitted on, from that of the table which the step was given.

        Raises:
            ValueError: The model has categories and which column they are of cannot be seen.
        """
        return table


class _LightGbm(Estimator):
    """LightGBM keeps the categories of each pandas category column, and not whose they are."""

    def trained_on(self, table: TrainingTable) -> TrainingTable:
        """Categories by the order of the columns: those of the table, or its texts where the step made them."""
        categories = getattr(self.model, "booster_", self.model).pandas_categorical or []
        if not categories:
            return table
        coded = [each for each in table.columns if each.categories is not None]
        if len(coded) != len(categories):
            coded = [each for each in table.columns if each.categories is not None or each.type in _TEXT]
        if len(coded) != len(categories):
            raise ValueError(f"the model has categories of {len(categories)} columns, and which is not to be seen")
        column_categories = {each.name: values for each, values in zip(coded, categories)}  # noqa: B905 - lengths are compared
        return _with_categories(table, column_categories)


class _Xgboost(Estimator):
    """XGBoost keeps which columns have categories and, from 3.1 on, which those are."""

    def trained_on(self, table: TrainingTable) -> TrainingTable:
        """Categories of the columns that the model knows as such."""
        booster = self.model.get_booster() if hasattr(self.model, "get_booster") else self.model
        types = booster.feature_types or []
        absent = [
            column.name
            for column, kind in zip(table.columns, types)  # noqa: B905 - one type a column, or none at all
            if kind == "c" and column.categories is None
        ]
        if not absent:
            return table
        column_categories = {name: values.tolist() for name, values in _xgboost_categories(booster) if name in absent}
        if column_categories.keys() != {*absent}:
            raise ValueError(f"the categories of {', '.join(absent)} are not to be seen")
        return _with_categories(table, column_categories)


class _CatBoost(Estimator):
    """CatBoost knows a category by its text and takes none that is missing: categories of pandas are given as texts."""

    def predict(self, frame: Any) -> Any:
        """Labels or numbers; of several classes CatBoost gives a column of labels."""
        answers = self.model.predict(frame)
        return answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers

    def trained_on(self, table: TrainingTable) -> TrainingTable:
        """Categories as the texts that they are."""
        columns = (
            each
            if each.categories is None
            else TrainingColumn(each.name, "object" if table.library == "pandas" else "String")
            for each in table.columns
        )
        return replace(table, columns=tuple(columns))


def _xgboost_categories(booster: Any) -> list[Any]:
    if not hasattr(booster, "get_categories"):
        return []
    arrow = booster.get_categories(export_to_arrow=True).to_arrow()
    return [(name, values.to_numpy(zero_copy_only=False)) for name, values in arrow if values is not None]


def _with_categories(table: TrainingTable, categories: dict[str, list[Any]]) -> TrainingTable:
    """As pandas has categories: the only library of which boosters take them alike in all versions."""
    columns = [
        TrainingColumn(each.name, "category", tuple(categories[each.name]), each.ordered)
        if each.name in categories
        else each
        for each in table.columns
    ]
    return replace(table, library="pandas", columns=tuple(columns))


class LightGbmBooster(_LightGbm):
    """What `lightgbm.train` gives: numbers alone."""

    def columns(self) -> list[str]:
        """Names that LightGBM keeps; blanks in them have become underlines."""
        return [str(name) for name in self.model.feature_name()]


class XgboostBooster(_Xgboost):
    """What `xgboost.train` gives: numbers alone, of a matrix of its own."""

    def columns(self) -> list[str]:
        """Names of the matrix that it was trained on."""
        return [str(name) for name in self.model.feature_names or ()]

    def predict(self, frame: Any) -> Any:
        """Numbers, one a row."""
        return self.model.predict(import_module("xgboost").DMatrix(frame, enable_categorical=True))


def adapter(model: Any) -> Estimator:
    """The adapter of a model's family."""
    library = type(model).__module__.partition(".")[0]
    if type(model).__name__ == "Booster":
        return {"lightgbm": LightGbmBooster, "xgboost": XgboostBooster}[library](model)
    return {"catboost": _CatBoost, "lightgbm": _LightGbm, "xgboost": _Xgboost}.get(library, Estimator)(model)


def columns_of_table(columns: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """The columns of a table that a model means; None where the table lacks one.

    LightGBM writes `flow rate` as `flow_rate`.

    Args:
        columns: As the model has them.
        names: Of the table.
    """
    if {*columns} <= {*names}:
        return list(columns)
    written = {name.replace(" ", "_"): name for name in names}
    return [written[name] for name in columns] if {*columns} <= written.keys() else None
