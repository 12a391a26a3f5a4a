import random

import polars as pl
import pytest

from flights.evaluation import evaluate
from flights.features import FEATURES, LABEL, WEATHER
from flights.training import build, fit


@pytest.fixture(autouse=True)
def logged(monkeypatch) -> dict[str, float]:
    """Catch what the functions log, so that the tests write to no tracking store."""
    values: dict[str, float] = {}
    monkeypatch.setattr("mlflow.log_params", values.update)
    monkeypatch.setattr("mlflow.log_metrics", values.update)
    return values


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """A thousand flights of which those in poor visibility are late."""
    draw = random.Random(7)
    rows = []
    for _ in range(1000):
        visibility = draw.uniform(0, 10)
        row = {name: draw.random() for name in WEATHER} | {"visib": visibility}
        row |= {"carrier": draw.choice(["AA", "UA"]), "origin": draw.choice(["JFK", "LGA"]), "dest": "MIA"}
        row |= {"hour": float(draw.randrange(24)), "weekday": 1.0, "distance": 1089.0}
        rows.append(row | {LABEL: int(visibility + draw.gauss(0, 1) < 3)})
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def model(table):
    return trained(table)


def trained(table: pl.DataFrame):
    return build(learning_rate=0.1, iterations=20, seed=0).fit(
        table.select(FEATURES), table[LABEL].to_numpy()
    )


def test_model_sees_the_features_alone(table):
    fitted = fit(table.with_columns(dep_delay=pl.lit(99)), learning_rate=0.1, iterations=5, seed=0)
    assert list(fitted.feature_names_in_) == FEATURES


def test_report_beats_the_base_rate_when_there_is_something_to_learn(model, table, logged):
    report = evaluate(model, table)
    assert logged["test_auc"] == report["auc"]
    assert report["auc"] > 0.9
    assert report["brier"] < report["brier_of_base_rate"]


def test_unknown_airport_and_missing_weather_still_give_a_probability(model, table):
    odd = table.head(3).with_columns(
        dest=pl.lit("XXX"),
        carrier=pl.lit(None, pl.String),
        **{name: pl.lit(None, pl.Float64) for name in WEATHER},
    )
    probability = model.predict_proba(odd.select(FEATURES))[:, 1]
    assert ((probability >= 0) & (probability <= 1)).all()


def test_same_seed_same_model(table, model):
    first, second = (each.predict_proba(table.select(FEATURES)) for each in (model, trained(table)))
    assert (first == second).all()
