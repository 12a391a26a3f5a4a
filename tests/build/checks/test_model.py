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
    found = tried(direction={"hour": "down"})
    assert not found.passed
    assert "direction hour is -" in found.summary


def test_invariance_within_a_tolerance(tried):
    assert tried(invariance=["noise"], tolerance=0.9).passed
    found = tried(invariance=["hour"], tolerance=0.01)
    assert not found.passed
    assert found.findings[0].path == "hour"


def test_missing_values_are_tried_one_column_at_a_time(tried):
    found = tried(missing="all")
    assert found.passed
    assert [value.where for value in found.values if value.name == "missing"] == ["distance", "hour", "noise"]


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
    found = run_check("model", bench.context())
    assert not found.passed
    assert "NaN" in found.summary


def test_latency_is_measured_and_held_against_the_budget(tried):
    assert tried(latency_ms=5000).passed
    found = tried(latency_ms=0.0001)
    assert not found.passed
    assert "latency_p99_ms" in found.summary


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
    found = tried(**options)
    assert not found.passed
    assert reason in found.summary


def test_no_rows_is_a_failure(bench, models):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(5).head(0))
    bench.options(model={"data": "split.test", "latency_ms": 100})
    assert "there are no rows" in run_check("model", bench.context()).summary


def test_in_the_projects_environment(bench, tried, monkeypatch):
    monkeypatch.undo()
    found = tried(latency_ms=5000, missing=["noise"])
    assert found.passed
    assert [*(bench.root / "checks").glob("behave-*/result.json")]
