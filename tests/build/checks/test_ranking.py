"""Metrics of rankings, of several outputs and of forecasts beside scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, mean_absolute_error, ndcg_score

from falaj.build.checks.gate_rows import gate_rows
from falaj.build.checks.ranking import average_precision, values_by_group
from falaj.build.checks.scoring import Scores
from falaj.config.gates import parse_gate, with_columns
from falaj.config.spec import GateSpec
from falaj.statistics.comparison import compare
from falaj.statistics.metrics import MetricError, evaluate


def test_ndcg_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for count in (2, 5, 40):
        label = random.integers(0, 4, count).astype(float)
        label[0] = 1
        for score in (random.normal(size=count), np.round(random.normal(size=count)), np.zeros(count)):
            (group_value,) = values_by_group("ndcg@5", label, score, np.array(["q"] * count))
            assert group_value == pytest.approx(ndcg_score([label], [score], k=5))


def test_average_precision_by_hand_and_ties_earn_nothing() -> None:
    label = np.array([1.0, 0, 1, 0])
    assert average_precision(label, np.array([4.0, 3, 2, 1]), 10) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(label, np.array([4.0, 3, 2, 1]), 1) == 1
    assert average_precision(label, np.zeros(4), 10) == pytest.approx((1 / 3 + 2 / 4) / 2)


def scored(**more: object) -> Scores:
    label = np.array([2.0, 0, 1, 0, 0, 0])
    score = {"candidate": np.array([3.0, 2, 1, 1, 2, 3]), "live": np.array([1.0, 2, 3, 1, 2, 3])}
    return Scores(label, score, {"query": np.array(["a", "a", "a", "b", "b", "b"])}, {}, **more)


def test_a_gate_of_a_ranking_is_of_groups_in_which_something_is_relevant() -> None:
    bare = parse_gate("ndcg@3 not worse than live by 0.1 on split.test")
    gate = with_columns(bare, {"group": "query"})
    rows = gate_rows(gate, scored(), ("candidate", "live"))
    assert rows.unit == "groups" and len(rows.label) == 1
    comparison = compare("ndcg@3", rows.label, rows.scores["candidate"], rows.scores["live"], confidence=0.9,
                    rng=np.random.default_rng(0))  # fmt: skip
    assert comparison.method == "betting" and comparison.worse_by < 0
    with pytest.raises(MetricError, match=r"monitoring\.group"):
        gate_rows(bare, scored(), ("candidate",))


def gate_of_several(text: str) -> GateSpec:
    return with_columns(parse_gate(text), {"label": ["late", "lost"]})


def several() -> Scores:
    random = np.random.default_rng(1)
    label = random.integers(0, 2, (60, 2)).astype(float)
    return Scores(label, {"candidate": random.random((60, 2))}, {}, {})


def test_a_metric_of_several_outputs_is_their_mean_and_one_can_be_named() -> None:
    scores, of = several(), [0.0, 0.0]
    for index, name in enumerate(("late", "lost")):
        rows = gate_rows(gate_of_several(f"brier of {name} <= 1 on d"), scores, ("candidate",))
        of[index] = evaluate("brier", rows.label, rows.scores["candidate"])
        assert of[index] == pytest.approx(
            brier_score_loss(scores.label[:, index], scores.scores["candidate"][:, index])
        )
    rows = gate_rows(gate_of_several("brier <= 1 on d"), scores, ("candidate",))
    assert evaluate("brier", rows.label, rows.scores["candidate"]) == pytest.approx(np.mean(of))
    bound = compare("brier", rows.label, rows.scores["candidate"], rows.scores["candidate"], confidence=0.9,
                    rng=np.random.default_rng(0))  # fmt: skip
    assert bound.method == "betting" and bound.worse_by == 0


def test_several_outputs_say_which_has_no_value() -> None:
    scores = several()
    scores.label[3, 1] = np.nan
    rows = gate_rows(gate_of_several("mae <= 1 on d"), scores, ("candidate",))
    with pytest.raises(MetricError, match="output 2: 1 of 60 labels are missing"):
        evaluate("mae", rows.label, rows.scores["candidate"])


def test_mase_divides_by_the_scale_of_each_row_and_smape_has_a_value_at_zero() -> None:
    label, predictions = np.array([10.0, 20, 0]), np.array([12.0, 20, 0])
    scores = Scores(label, {"candidate": predictions}, {"naive": np.array(["2.0", "5.0", "1.0"])}, {})
    rows = gate_rows(with_columns(parse_gate("mase <= 1 on d"), {"scale": "naive"}), scores, ("candidate",))
    assert evaluate("mase", rows.label, rows.scores["candidate"]) == pytest.approx(1 / 3)
    assert mean_absolute_error(rows.label, rows.scores["candidate"]) == pytest.approx(1 / 3)
    assert evaluate("smape", label, predictions) == pytest.approx(2 * 2 / 22 / 3)
    bad = Scores(label, {"candidate": predictions}, {"naive": np.array(["2.0", "0.0", "1.0"])}, {})
    with pytest.raises(MetricError, match="not above 0"):
        gate_rows(with_columns(parse_gate("mase <= 1 on d"), {"scale": "naive"}), bad, ("candidate",))
