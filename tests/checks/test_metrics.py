"""Every metric against scikit-learn, and the refusal of rows on which it has no value."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import assume, given
from hypothesis import strategies as st

from falaj.checks.metrics import METRICS, MetricError, evaluate, named

REFERENCE = {
    "auc": reference.roc_auc_score,
    "average_precision": reference.average_precision_score,
    "accuracy": lambda y, s, **k: reference.accuracy_score(y, s >= 0.5, **k),
    "brier": reference.brier_score_loss,
    "log_loss": lambda y, s, **k: reference.log_loss(y, s, labels=[0, 1], **k),
    "precision": lambda y, s, **k: reference.precision_score(y, s >= 0.5, zero_division=0, **k),
    "recall": lambda y, s, **k: reference.recall_score(y, s >= 0.5, zero_division=0, **k),
    "f1": lambda y, s, **k: reference.f1_score(y, s >= 0.5, zero_division=0, **k),
    "mae": reference.mean_absolute_error,
    "mse": reference.mean_squared_error,
    "rmse": reference.root_mean_squared_error,
    "r2": reference.r2_score,
}
BINARY = [name for name, metric in METRICS.items() if metric.task == "binary"]
REGRESSION = [name for name, metric in METRICS.items() if metric.task == "regression"]

# few distinct values, so that ties are common
probabilities = st.integers(0, 20).map(lambda n: n / 20)
classified = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), probabilities, st.integers(1, 4)), min_size=2, max_size=60)
numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
regressed = st.lists(st.tuples(numbers, numbers, st.integers(1, 4)), min_size=2, max_size=60)


def columns(rows):
    return tuple(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))


def test_every_metric_has_a_reference():
    assert REFERENCE.keys() == METRICS.keys()


@pytest.mark.parametrize("name", BINARY)
@given(rows=classified)
def test_classification_metrics_agree_with_scikit_learn(name, rows):
    label, score, weight = columns(rows)
    assume(0 < label.sum() < len(label))
    assert evaluate(name, label, score) == pytest.approx(REFERENCE[name](label, score), abs=1e-9)
    assert evaluate(name, label, score, weight) == pytest.approx(
        REFERENCE[name](label, score, sample_weight=weight), abs=1e-9
    )


@pytest.mark.parametrize("name", REGRESSION)
@given(rows=regressed)
def test_regression_metrics_agree_with_scikit_learn(name, rows):
    label, score, weight = columns(rows)
    assume(np.ptp(label) > 1e-3)
    assert evaluate(name, label, score) == pytest.approx(REFERENCE[name](label, score), rel=1e-6, abs=1e-9)
    weighted = REFERENCE[name](label, score, sample_weight=weight)
    assert evaluate(name, label, score, weight) == pytest.approx(weighted, rel=1e-6, abs=1e-9)


@given(rows=classified)
def test_row_losses_average_to_their_metric_and_stay_within_zero_and_one(rows):
    label, score, _ = columns(rows)
    for name in ("brier", "accuracy"):
        losses = named(name).row_loss(label, score)
        assert ((losses >= 0) & (losses <= 1)).all()
        mean = 1 - losses.mean() if named(name).higher_is_better else losses.mean()
        assert mean == pytest.approx(evaluate(name, label, score))


@pytest.mark.parametrize("name", METRICS)
def test_no_rows_is_refused(name):
    with pytest.raises(MetricError, match="there are no rows"):
        evaluate(name, np.empty(0), np.empty(0))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_and_labels_that_are_not_finite_are_refused_and_counted(name, bad):
    label, score = np.array([0.0, 1.0, 1.0]), np.array([0.2, bad, bad])
    with pytest.raises(MetricError, match="2 of 3 scores are missing or not finite"):
        evaluate(name, label, score)
    with pytest.raises(MetricError, match="2 of 3 labels are missing or not finite"):
        evaluate(name, score, label)


def test_one_class_has_no_auc_but_a_brier_score():
    label, score = np.ones(3), np.array([0.5, 0.5, 1.0])
    with pytest.raises(MetricError, match="auc needs both classes, all 3 labels are 1"):
        evaluate("auc", label, score)
    assert evaluate("brier", label, score) == pytest.approx(0.5 / 3)


def test_other_labels_than_zero_and_one_are_named():
    with pytest.raises(MetricError, match="needs labels 0 and 1, found 1, 2"):
        evaluate("auc", np.array([1.0, 2.0]), np.array([0.1, 0.9]))


def test_scores_outside_probabilities_are_refused_except_for_ranks():
    label, score = np.array([0.0, 1.0]), np.array([-3.0, 4.0])
    assert evaluate("auc", label, score) == 1.0
    with pytest.raises(MetricError, match="brier needs probabilities, scores reach from -3 to 4"):
        evaluate("brier", label, score)


def test_a_constant_label_has_no_r2():
    with pytest.raises(MetricError, match="r2 is not finite on these 2 rows"):
        evaluate("r2", np.ones(2), np.zeros(2))


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(MetricError, match="no metric 'gini'") as raised:
        named("gini")
    assert "auc" in raised.value.hint
