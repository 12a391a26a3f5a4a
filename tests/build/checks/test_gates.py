"""Gates on real MLflow models and real tables."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from falaj.build.checks import LiveModel, run_gates
from tests.build.checks.conftest import FEATURES, flights, threshold, versus_live

pytestmark = pytest.mark.usefixtures("same_process")


@pytest.fixture
def scored(bench, models):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(1500))
    return bench


def only(bench, *gates):
    bench.gates(*gates)
    results = run_gates(bench.context())
    assert len(results) == len(gates)
    return results[0] if len(gates) == 1 else results


def test_thresholds_hold_the_value_that_the_model_gives_itself(scored, models):
    import mlflow.sklearn

    auc, brier, hopeless = only(
        scored, threshold("auc", ">=", 0.7), threshold("brier", "<=", 0.22), threshold("auc", ">=", 0.99)
    )
    table = flights(1500)
    expected = mlflow.sklearn.load_model(str(models["good"])).predict_proba(table.select(FEATURES))[:, 1]
    assert auc.value == pytest.approx(roc_auc_score(table["late"], expected))
    assert brier.value == pytest.approx(brier_score_loss(table["late"], expected))
    assert (auc.passed, brier.passed, hopeless.passed) == (True, True, False)
    assert auc.rows == 1500
    assert hopeless.reason == f"auc {auc.value:.4f} misses >= 0.99 on 1500 rows"


def test_slices_are_judged_apart_and_small_ones_left_out(scored):
    passing, failing = only(
        scored,
        threshold("auc", ">=", 0.6, by="carrier", min_rows=100),
        threshold("brier", "<=", 0.01, by="carrier", min_rows=100),
    )
    assert passing.passed
    assert {result.name for result in passing.slices} == {"AA", "UA"}
    assert sum(result.rows for result in passing.slices) < 1500
    assert passing.slice == f"carrier={min(passing.slices, key=lambda entry: entry.value).name}"
    assert "0 of 2 slices fail, 1 with too few rows left out" in passing.reason
    assert not failing.passed
    assert "2 of 2 slices fail" in failing.reason


def test_one_bad_slice_fails_the_gate_although_all_rows_together_pass(bench, models):
    table = flights(2000)
    spoiled = table.with_columns(
        late=pl.when(pl.col("carrier") == "UA").then(1 - pl.col("late")).otherwise(pl.col("late"))
    )
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", spoiled.filter(pl.col("carrier") != "B6"))
    gate_result = only(bench, threshold("auc", ">=", 0.5, by="carrier"))
    assert not gate_result.passed
    assert gate_result.slice == "carrier=UA"
    assert gate_result.value < 0.4


def test_no_slice_with_enough_rows_is_a_failure(scored):
    gate_result = only(scored, threshold("auc", ">=", 0.1, by="carrier", min_rows=5000))
    assert not gate_result.passed
    assert "nothing was checked: none of 3 slices by carrier has 5000 rows or more" in gate_result.reason


def test_too_few_rows_in_all_is_a_failure(scored):
    gate_result = only(scored, threshold("auc", ">=", 0.1, min_rows=5000))
    assert (gate_result.passed, gate_result.reason) == (False, "1500 rows, needed 5000")


def test_without_a_live_release_a_comparison_passes_and_says_so(scored):
    gate_result = only(scored, versus_live("brier", 0.005))
    assert (gate_result.passed, gate_result.value, gate_result.reason) == (True, None, "no live release yet")


@pytest.mark.parametrize("metric", ["brier", "auc"])
def test_worse_than_live_is_rejected(scored, models, metric):
    scored.live = LiveModel(3, scored.outputs["fit"])
    scored.keep("fit", models["poor"])
    gate_result = only(scored, versus_live(metric, 0.02))
    assert not gate_result.passed
    assert gate_result.value > 0.02
    assert gate_result.interval[0] > 0
    assert gate_result.method == {"brier": "betting", "auc": "bootstrap"}[metric]
    assert re.search(rf"{metric} is 0\.\d+ worse than live, worse by at most 0\.", gate_result.reason)


def test_better_than_live_passes(scored, models):
    scored.live = LiveModel(3, scored.store.put(models["poor"]).digest)
    gate_result = only(scored, versus_live("brier", 0.0))
    assert gate_result.passed
    assert gate_result.value < 0
    assert gate_result.interval[1] <= 0


def test_too_few_rows_to_be_sure_is_a_failure_and_says_so(bench, models):
    bench.live = LiveModel(3, bench.store.put(models["poor"]).digest)
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(12))
    gate_result = only(bench, versus_live("brier", 0.0))
    assert not gate_result.passed
    assert "too few rows to be sure" in gate_result.reason


def test_the_same_model_as_live_passes(scored):
    scored.live = LiveModel(3, scored.outputs["fit"])
    gate_result = only(scored, versus_live("brier", 0.0))
    assert (gate_result.passed, gate_result.reason) == (True, "the candidate is the model that is live")


def test_a_live_model_that_cannot_be_loaded_fails_only_the_comparison(scored, models, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "MLmodel").write_text((models["good"] / "MLmodel").read_text())
    scored.live = LiveModel(3, scored.store.put(broken).digest)
    compared, absolute = only(scored, versus_live("brier", 0.01), threshold("auc", ">=", 0.6))
    assert not compared.passed
    assert compared.reason.startswith("live: the model cannot be loaded")
    assert absolute.passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.head(0), "there are no rows"),
        (lambda table: table.with_columns(late=pl.lit(1)), "auc needs both classes, all 200 labels are 1"),
        (
            lambda table: table.with_columns(late=pl.when(pl.col("noise") > 5).then(0).otherwise(None)),
            "200 of 200 labels are missing",
        ),
        (lambda table: table.with_columns(late=pl.lit(7)), "the label 7 is not a class of the model (0, 1)"),
        (lambda table: table.drop("hour"), "the model reads columns that the table does not have: hour"),
        (lambda table: table.drop("late"), "there is no column 'late'"),
    ],
)
def test_rows_that_cannot_be_judged_fail_with_the_reason(bench, models, change, reason):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", change(flights(200)))
    gate_result = only(bench, threshold("auc", ">=", 0.5))
    assert (gate_result.passed, gate_result.value) == (False, None)
    assert reason in gate_result.reason


def test_unknown_data_slice_and_model_fail_with_the_reason(scored):
    data, by = only(scored, threshold("auc", ">=", 0.5, data="split.tset"), threshold("auc", ">=", 0.5, by="airline"))
    assert "the run has no output 'split.tset'" in data.reason
    assert "there is no column 'airline'" in by.reason
    del scored.outputs["fit"]
    assert "the run made no model" in only(scored, threshold("auc", ">=", 0.5)).reason


def test_without_a_label_column_gates_fail(scored):
    from dataclasses import replace

    scored.spec = replace(scored.spec, monitoring={})
    assert "monitoring.label" in only(scored, threshold("auc", ">=", 0.5)).reason


def test_regression_is_held_against_its_own_metrics(bench, models):
    bench.keep("fit", models["regression"])
    bench.keep_table("split.test", flights(400))
    rmse, auc = only(bench, threshold("rmse", "<=", 0.5), threshold("auc", ">=", 0.6))
    assert rmse.passed
    assert auc.passed  # a prediction orders rows as well as a probability does


def test_missing_slice_values_are_a_slice_of_their_own(bench, models):
    table = flights(300).with_columns(carrier=pl.when(pl.col("hour") > 12).then(None).otherwise(pl.col("carrier")))
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", table)
    gate_result = only(bench, threshold("brier", "<=", 1.0, by="carrier", min_rows=50))
    assert "(missing)" in {result.name for result in gate_result.slices}


def test_same_seed_same_verdict(scored, models):
    scored.live = LiveModel(3, scored.store.put(models["poor"]).digest)
    first, second = (only(scored, versus_live("auc", 0.01)) for _ in range(2))
    assert first == second
    assert np.isfinite(first.interval).all()
