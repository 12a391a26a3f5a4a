"""Every metric against scikit-learn, and the refusal of rows on which it has no value."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from falaj.config.gates import GateSyntaxError, parse_gate
from falaj.statistics.metrics import CLASS_METRICS, METRICS, MetricError, evaluate, metric_for, named

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
    "mape": reference.mean_absolute_percentage_error,
    "smape": lambda y, s, sample_weight=None: np.average(
        [0 if a == b == 0 else 2 * abs(a - b) / (abs(a) + abs(b)) for a, b in zip(y, s, strict=True)],
        weights=sample_weight,
    ),
    "mase": reference.mean_absolute_error,  # labels and scores come divided by the scale
    "r2": reference.r2_score,
    "pinball": lambda y, s, **k: reference.mean_pinball_loss(y, s, alpha=0.5, **k),
    "pinball_0.9": lambda y, s, **k: reference.mean_pinball_loss(y, s, alpha=0.9, **k),
    "balanced_accuracy": lambda y, s, **k: reference.balanced_accuracy_score(y, s >= 0.5, **k),
    "f1_macro": lambda y, s, **k: reference.f1_score(y, s >= 0.5, average="macro", **k),
    "f1_weighted": lambda y, s, **k: reference.f1_score(y, s >= 0.5, average="weighted", **k),
    "coverage": lambda y, s, **k: np.average(y <= s, weights=k.get("sample_weight")),
}
OF_CLASSES = {
    "accuracy": lambda y, p, **k: reference.accuracy_score(y, p.argmax(axis=1), **k),
    "balanced_accuracy": lambda y, p, **k: reference.balanced_accuracy_score(y, p.argmax(axis=1), **k),
    "f1_macro": lambda y, p, **k: reference.f1_score(y, p.argmax(axis=1), average="macro", **k),
    "f1_weighted": lambda y, p, **k: reference.f1_score(y, p.argmax(axis=1), average="weighted", **k),
    "log_loss": lambda y, p, **k: reference.log_loss(y, p, labels=range(p.shape[1]), **k),
    "brier": lambda y, p, **k: reference.brier_score_loss(y, p, labels=range(p.shape[1]), scale_by_half=True, **k),
    "auc": lambda y, p, **k: reference.roc_auc_score(y, p, labels=range(p.shape[1]), multi_class="ovr", **k),
    "top_2_accuracy": lambda y, p, **k: reference.top_k_accuracy_score(y, p, k=2, labels=range(p.shape[1]), **k),
}
BINARY = [name for name, metric in METRICS.items() if metric.task == "binary"]
REGRESSION = [*(name for name, metric in METRICS.items() if metric.task == "regression"), "pinball_0.9"]

# few distinct values, so that ties are common
probabilities = st.integers(0, 20).map(lambda n: n / 20)
classified = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), probabilities, st.integers(1, 4)), min_size=2, max_size=60)
numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
regressed = st.lists(st.tuples(numbers, numbers, st.integers(1, 4)), min_size=2, max_size=60)


def columns(rows):
    return tuple(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))


@st.composite
def rows_of_classes(draw, least=3, most=8):
    """Labels of every class, probabilities without ties, and whole weights."""
    classes = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    label = np.r_[np.arange(classes), random.integers(0, classes, draw(st.integers(0, 60)))].astype(np.float64)
    score = random.dirichlet(np.ones(classes), len(label))
    return label, score, random.integers(1, 5, len(label)).astype(np.float64)


@pytest.mark.parametrize("name", OF_CLASSES)
@given(rows=rows_of_classes())
def test_metrics_of_classes_agree_with_scikit_learn(name, rows):
    label, score, weight = rows
    assert evaluate(name, label, score) == pytest.approx(OF_CLASSES[name](label, score), abs=1e-9)
    expected = OF_CLASSES[name](label, score, sample_weight=weight)
    assert evaluate(name, label, score, weight) == pytest.approx(expected, abs=1e-9)


def test_every_metric_of_classes_has_a_reference():
    assert CLASS_METRICS.keys() <= OF_CLASSES.keys()


def test_a_thousand_classes_agree_with_scikit_learn():
    random = np.random.default_rng(3)
    label = np.r_[np.arange(1000), random.integers(0, 1000, 500)].astype(np.float64)
    score = random.dirichlet(np.full(1000, 0.1), len(label))
    for name, expected in OF_CLASSES.items():
        assert evaluate(name, label, score) == pytest.approx(expected(label, score), abs=1e-9)


@given(rows=rows_of_classes(least=2, most=2))
def test_two_classes_have_the_same_metrics_in_either_form(rows):
    label, score, weight = rows
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "brier", "auc", "log_loss"):
        one = evaluate(name, label, score[:, 1], weight)
        assert evaluate(name, label, score, weight) == pytest.approx(one, abs=1e-9)


@given(rows=rows_of_classes())
def test_row_losses_of_classes_average_to_their_metric_and_stay_within_zero_and_one(rows):
    label, score, _ = rows
    for name in ("brier", "accuracy", "top_3_accuracy"):
        metric = metric_for(name, score)
        losses = metric.row_loss(label, score)
        assert ((losses >= 0) & (losses <= 1)).all()
        assert (1 - losses.mean() if metric.higher_is_better else losses.mean()) == pytest.approx(
            evaluate(name, label, score)
        )


def test_of_equal_scores_the_first_class_comes_first():
    label, score = np.array([0.0, 1.0, 2.0]), np.full((3, 3), 1 / 3)
    assert evaluate("accuracy", label, score) == pytest.approx(1 / 3)
    assert evaluate("top_2_accuracy", label, score) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "label", "score", "message"),
    [
        ("accuracy", [0, 3], [[1, 0, 0], [0, 1, 0]], "labels of the 3 classes, found 3"),
        ("accuracy", [0, 0.5], [[1, 0, 0], [0, 1, 0]], "found 0.5"),
        ("auc", [1, 1], [[1, 0, 0], [0, 1, 0]], "two classes or more"),
        ("log_loss", [0, 1], [[3, 0, 0], [0, 1, 0]], "needs probabilities"),
        ("brier", [0, 1], [[0.5, 0, 0], [0, 1, 0]], "sums from 0.5 to 1"),
        ("f1_macro", [0, 1], [[np.nan, 0, 0], [0, np.inf, 0]], "2 of 2 scores are missing or not finite"),
        ("recall", [0, 1], [[1, 0, 0], [0, 1, 0]], "recall is not a metric of models of several classes"),
        ("top_2_accuracy", [0, 1], [0.5, 0.5], "is not a metric of models of numbers"),
        ("mape", [0, 1], [0.5, 0.5], "a label is 0; 1 of 2 labels are"),
        ("coverage", [0, 1], [[1, 0, 0], [0, 1, 0]], "two ends of an interval a row, the model gives 3"),
    ],
)
def test_rows_without_a_value_are_refused(name, label, score, message):
    with pytest.raises(MetricError, match=message):
        evaluate(name, np.array(label, dtype=np.float64), np.array(score, dtype=np.float64))


def test_coverage_is_the_share_of_labels_in_their_intervals():
    label, ends = np.array([1.0, 2.0, 3.0, 4.0]), np.array([[0, 1], [3, 2], [4, 5], [0, 9.0]])
    assert evaluate("coverage", label, ends) == 0.75
    assert evaluate("coverage", label, ends, np.array([1, 1, 2, 0.0])) == 0.5


@pytest.mark.parametrize("name", ["top_1_accuracy", "top_0_accuracy", "pinball_0.0", "pinball_1", "top_x_accuracy"])
def test_numbers_that_a_name_cannot_have_are_refused(name):
    with pytest.raises(GateSyntaxError, match="no metric"):
        parse_gate(f"{name} >= 0.5 on data")
    for score in (np.ones(2), np.ones((2, 3))):
        with pytest.raises(MetricError):
            metric_for(name, score)


@pytest.mark.parametrize(("name", "score"), [("top_25_accuracy", np.ones((2, 3))), ("pinball_0.05", np.ones(2))])
def test_numbers_in_names_are_read_alike_in_gates_and_here(name, score):
    assert parse_gate(f"{name} >= 0.5 on data").metric == metric_for(name, score).name == name


def test_every_metric_has_a_reference():
    assert REFERENCE.keys() == METRICS.keys() | {"pinball_0.9"}


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
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(rows=regressed)
def test_regression_metrics_agree_with_scikit_learn(name, rows):
    label, score, weight = columns(rows)
    assume(np.ptp(label) > 1e-3 and (name != "mape" or np.abs(label).min() > 1e-3))
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
