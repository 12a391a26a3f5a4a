"""How good the model is on days that it has not seen."""

import mlflow
import polars as pl
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from flights.features import FEATURES, LABEL


def evaluate(model: Pipeline, test: pl.DataFrame) -> dict[str, float]:
    """Score the test table.

    Returns:
        Area under the ROC curve, Brier score and log loss; beside them `brier_of_base_rate`, the Brier score
        of always answering the share of late flights, which a useful model must beat.
    """
    late = test[LABEL].to_numpy()
    probability = model.predict_proba(test.select(FEATURES))[:, 1]
    base_rate = float(late.mean())
    report = {
        "rows": len(late),
        "share_late": base_rate,
        "auc": float(roc_auc_score(late, probability)),
        "brier": float(brier_score_loss(late, probability)),
        "brier_of_base_rate": base_rate * (1 - base_rate),
        "log_loss": float(log_loss(late, probability)),
    }
    mlflow.log_metrics({f"test_{name}": value for name, value in report.items()})
    return report
