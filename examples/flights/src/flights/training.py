"""The model: gradient-boosted trees over ordinal categories."""

import mlflow
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from flights.features import CATEGORIES, FEATURES, LABEL


def fit(train: pl.DataFrame, learning_rate: float, iterations: int, seed: int) -> Pipeline:
    """Train on the feature table; columns that are not FEATURES never reach the model."""
    model = build(learning_rate, iterations, seed)
    model.fit(train.select(FEATURES), train[LABEL].to_numpy())
    mlflow.log_params({"learning_rate": learning_rate, "iterations": iterations, "seed": seed})
    mlflow.log_metrics({"train_rows": train.height, "train_share_late": train[LABEL].mean()})
    return model


def build(learning_rate: float, iterations: int, seed: int) -> Pipeline:
    """Make the untrained pipeline; a category not seen in training counts as missing."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    columns = ColumnTransformer(
        [("categories", encoder, CATEGORIES)], remainder="passthrough", verbose_feature_names_out=False
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=learning_rate,
        max_iter=iterations,
        max_features=0.3,  # of the columns at each split: no single day's weather explains a tree alone
        early_stopping=False,  # it would hold out rows at random, and rows of one day know each other
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
