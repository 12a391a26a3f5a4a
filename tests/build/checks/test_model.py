"""Behaviour of real models: what must not matter, what must, what may be missing, how long it takes."""

from __future__ import annotations

import pytest

from falaj.build.checks import run_check
from tests.build.checks.conftest import flights

pytestmark = pytest.mark.usefixtures("same_process")


@pytest.fixture
def tried(bench, models):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(200))

    def check(**options):
        bench.options(model={"data": "split.test", "rows": 60, **options})
        return run_check("model", bench.context())

    return check


def test_direction_of_what_the_model_learned_holds_one_way_only(tried):
    assert tried(direction={"hour": "up", "distance": "up"}).passed
    check_result = tried(direction={"hour": "down"})
    assert not check_result.passed
    assert "direction hour is -" in check_result.summary


def test_invariance_within_a_tolerance(tried):
    assert tried(invariance=["noise"], tolerance=0.9).passed
    check_result = tried(invariance=["hour"], tolerance=0.01)
    assert not check_result.passed
    assert check_result.findings[0].path == "hour"


def test_missing_values_are_tried_one_column_at_a_time(tried):
    check_result = tried(missing="all")
    assert check_result.passed
    assert [value.where for value in check_result.values if value.name == "missing"] == ["distance", "hour", "noise"]


def test_a_model_that_needs_every_value_fails_robustness(bench, tmp_path):
    import mlflow.models
    import mlflow.sklearn
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    table = flights(100)
    model = LogisticRegression(max_iter=1000).fit(table.select("hour", "distance").to_numpy(), table["late"].to_numpy())
    model.feature_names_in_ = ["hour", "distance"]
    signature = mlflow.models.infer_signature(table.select("hour", "distance").to_pandas(), np.array([1]))
    mlflow.sklearn.save_model(
        model, tmp_path / "m", serialization_format="cloudpickle", pip_requirements=[], signature=signature
    )
    bench.keep("fit", tmp_path / "m")
    bench.keep_table("split.test", table)
    bench.options(model={"data": "split.test", "missing": ["hour"]})
    check_result = run_check("model", bench.context())
    assert not check_result.passed
    assert "NaN" in check_result.summary


def test_latency_is_measured_and_held_against_the_budget(tried):
    assert tried(latency_ms=5000).passed
    check_result = tried(latency_ms=0.0001)
    assert not check_result.passed
    assert "latency_p99_ms" in check_result.summary


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"data": None}, "needs rows"),
        ({"tempo": 1}, "no option tempo"),
        ({"direction": {"hour": "sideways"}}, "expected up or down"),
        ({"direction": {"carrier": "up"}}, "the model reads no column 'carrier'"),
        ({"data": "split.tset"}, "no output 'split.tset'"),
        ({}, "nothing was checked"),
    ],
)
def test_what_cannot_be_tried_is_a_failure_with_the_reason(tried, options, reason):
    check_result = tried(**options)
    assert not check_result.passed
    assert reason in check_result.summary


def test_no_rows_is_a_failure(bench, models):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(5).head(0))
    bench.options(model={"data": "split.test", "latency_ms": 100})
    assert "there are no rows" in run_check("model", bench.context()).summary


@pytest.mark.integration
def test_in_the_projects_environment(bench, tried, monkeypatch):
    monkeypatch.undo()
    check_result = tried(latency_ms=5000, missing=["noise"])
    assert check_result.passed
    assert [*(bench.root / "checks").glob("behaviour-*/result.json")]
