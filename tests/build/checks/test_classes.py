"""Gates of classifiers with several classes and of intervals, by real models: values, comparisons and refusals."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from mlflow.models import infer_signature
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.tree import DecisionTreeClassifier

from falaj.build.checks import LiveModel, run_gates
from falaj.build.checks.context import CheckError
from falaj.build.checks.runner import reference as in_project
from falaj.build.checks.scoring import _are_classes, _arrays, numbered
from falaj.config import parse_gate
from tests.build.checks.conftest import threshold, versus_live

FEATURES = ["a", "b"]


def rows(classes, count=600, seed=0):
    """Rows whose class is a step of the sum of two features, with some noise."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"a": random.normal(size=count), "b": random.normal(size=count)})
    cuts = np.quantile(table["a"] + table["b"], np.linspace(0, 1, len(classes) + 1)[1:-1])
    label = np.digitize(table["a"] + table["b"] + random.normal(scale=0.3, size=count), cuts)
    return table.assign(late=np.array(classes, dtype=object)[label]).infer_objects()


def saved(folder: Path, model, table, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model, folder, signature=infer_signature(table[FEATURES]), serialization_format="cloudpickle",
            pip_requirements=[], **options,
        )  # fmt: skip
    return folder


@pytest.fixture
def gate_judge(bench, same_process):
    """Judge gates of a model on a table."""
    count = iter(range(100))

    def judge(model, table, *gates, live=None):
        number = next(count)
        bench.keep("fit", saved(bench.root / f"model-{number}", model, table))
        if live is not None:
            digest = bench.store.put(saved(bench.root / f"live-{number}", live, table)).digest
            bench.live = LiveModel("flight-delay@1", digest)
        name = f"test{number}"
        folder = bench.root / "outputs" / name
        folder.mkdir(parents=True)
        table.to_parquet(folder / "data.parquet")
        bench.keep(name, folder)
        bench.gates(*(replace(gate, data=name) for gate in gates))
        return run_gates(bench.context())

    return judge


TEXTS, NUMBERS = ["low", "mid", "high"], [3, 7, 20]
METRICS = {
    "accuracy": lambda y, p, k: reference.accuracy_score(y, k[p.argmax(1)]),
    "balanced_accuracy": lambda y, p, k: reference.balanced_accuracy_score(y, k[p.argmax(1)]),
    "f1_macro": lambda y, p, k: reference.f1_score(y, k[p.argmax(1)], average="macro"),
    "f1_weighted": lambda y, p, k: reference.f1_score(y, k[p.argmax(1)], average="weighted"),
    "log_loss": lambda y, p, k: reference.log_loss(y, p, labels=k),
    "brier": lambda y, p, k: reference.brier_score_loss(y, p, labels=k, scale_by_half=True),
    "auc": lambda y, p, k: reference.roc_auc_score(y, p, labels=k, multi_class="ovr"),
    "top_2_accuracy": lambda y, p, k: reference.top_k_accuracy_score(y, p, k=2, labels=k),
}


@pytest.mark.parametrize("classes", [TEXTS, NUMBERS])
def test_gates_of_several_classes_have_the_values_of_scikit_learn(gate_judge, classes):
    table = rows(classes)
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    held_out = rows(classes, 300, seed=1)
    probabilities = model.predict_proba(held_out[FEATURES])
    results = gate_judge(model, held_out, *(threshold(name, ">=", 0) for name in METRICS))
    for gate, result in zip(METRICS, results, strict=True):
        expected = METRICS[gate](held_out["late"], probabilities, model.classes_)
        assert result.passed and result.value == pytest.approx(expected, abs=1e-9), gate


def test_slices_and_comparisons_of_several_classes_are_judged(gate_judge):
    table, held_out = rows(TEXTS), rows(TEXTS, 900, seed=1)
    held_out["site"] = np.array(["x", "y", "z"])[np.arange(len(held_out)) % 3]
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    other = LogisticRegression().fit(table[FEATURES], table["late"].sample(frac=1, random_state=0).to_numpy())
    gates = (versus_live("brier", 0.05), versus_live("f1_macro", 0.05), threshold("accuracy", ">=", 0.6, by="site"))
    betting, bootstrap, slices = gate_judge(model, held_out, *gates, live=other)
    assert (betting.passed, betting.method) == (True, "betting")
    assert (bootstrap.passed, bootstrap.method) == (True, "bootstrap")
    assert slices.passed and len(slices.slices) == 3
    worse, *_ = gate_judge(other, held_out, *gates, live=model)
    assert not worse.passed and worse.interval[0] > 0


def test_a_live_release_of_other_classes_is_compared_on_those_of_both(gate_judge):
    held_out = rows(TEXTS, 300, seed=1)
    table = rows(TEXTS)
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    binary_rows = table[table["late"] != "mid"]
    live = LogisticRegression().fit(binary_rows[FEATURES], binary_rows["late"])
    [gate_result] = gate_judge(model, held_out, versus_live("accuracy", 0.0), live=live)
    assert gate_result.passed and gate_result.value < -0.2


@pytest.mark.parametrize(
    ("late", "shown"), [("never", "the label 'never' is not a class of the model ('high', 'low', 'mid')"), (None, "")]
)
def test_a_class_that_the_training_never_saw_is_named(gate_judge, late, shown):
    table, held_out = rows(TEXTS), rows(TEXTS, 100, seed=1)
    held_out.loc[5, "late"] = late
    [gate_result] = gate_judge(
        LogisticRegression().fit(table[FEATURES], table["late"]), held_out, threshold("accuracy", ">=", 0)
    )
    assert not gate_result.passed
    assert (shown or "1 of 100 labels are missing") in gate_result.reason


class OfNothing(LogisticRegression):
    """Answers with what is set from outside."""

    answer = None

    def predict_proba(self, features):
        answer = type(self).answer
        return answer(features) if callable(answer) else answer


def nan(features):
    return np.full((len(features), 3), np.nan)


@pytest.mark.parametrize(
    ("answer", "reason_part"),
    [
        (nan, "100 of 100 scores are missing or not finite"),
        (lambda f: np.ones((len(f) + 1, 3)), "101 predictions for 100 rows"),
        (lambda f: np.ones((len(f), 2)), "shape (100, 2), needed one number for each of its classes"),
        (lambda f: np.ones((len(f), 3)), "needs probabilities"),
        (lambda f: np.full((len(f), 3), "x", dtype=object), "not numbers"),
        (lambda f: np.broadcast_to(np.float64(1), (40_000_000, 3)), "gives 120,000,000 numbers"),
        (lambda f: None, "the shape ()"),
    ],
)
def test_answers_that_are_none_are_one_line(gate_judge, monkeypatch, answer, reason_part):
    table, held_out = rows(TEXTS), rows(TEXTS, 100, seed=1)
    model = OfNothing().fit(table[FEATURES], table["late"])
    monkeypatch.setattr(OfNothing, "answer", staticmethod(answer))
    monkeypatch.setattr("falaj.models.load_estimator", lambda *_: model)
    [gate_result] = gate_judge(
        LogisticRegression().fit(table[FEATURES], table["late"]), held_out, threshold("log_loss", "<=", 9)
    )
    assert not gate_result.passed and reason_part in gate_result.reason and "\n" not in gate_result.reason


def test_classifiers_without_probabilities_are_judged_by_what_they_decide(gate_judge):
    table, held_out = rows(TEXTS), rows(TEXTS, 300, seed=1)
    model = Perceptron().fit(table[FEATURES], table["late"])
    accuracy, loss = gate_judge(model, held_out, threshold("accuracy", ">=", 0), threshold("log_loss", "<=", 9))
    assert accuracy.value == pytest.approx(model.score(held_out[FEATURES], held_out["late"]))
    assert not loss.passed and "needs probabilities" in loss.reason


def test_a_hundred_classes_are_judged(gate_judge):
    names = [f"c{index:03}" for index in range(100)]
    table = rows(names, 3000)
    model = DecisionTreeClassifier(max_depth=8, random_state=0).fit(table[FEATURES], table["late"])
    top, exact = gate_judge(model, table, threshold("top_10_accuracy", ">=", 0.3), threshold("accuracy", ">=", 0))
    assert top.passed and top.value > exact.value


def test_intervals_are_judged_by_their_coverage(gate_judge):
    table = rows([1.0, 2.0, 3.0], 300)
    ends = np.column_stack([np.full(300, 1.5), np.full(300, 3.5)])
    [gate_result, error] = gate_judge(
        DummyRegressor().fit(table[FEATURES], ends), table, threshold("coverage", ">=", 0.5), threshold("mae", "<=", 3)
    )
    inside = float(((table["late"] > 2.5 - 1) & (table["late"] < 3.5)).mean())
    assert gate_result.value == pytest.approx(inside) and error.value > 0
    triple = np.column_stack([np.full(300, 2.0), ends])
    [gate_result, error] = gate_judge(
        DummyRegressor().fit(table[FEATURES], triple),
        table,
        threshold("coverage", ">=", 0.5),
        threshold("mae", "<=", 3),
    )
    assert gate_result.value == pytest.approx(inside)
    assert error.value == pytest.approx(float((table["late"] - 2).abs().mean()))


def test_labels_of_many_kinds_are_placed_among_the_classes():
    absent = np.array([False, False, True])
    numbers = {"label": np.array([7.0, 3.0, np.nan]), "absent": absent}
    assert numbered(numbers, [3, 7, 20], "t")[:2].tolist() == [1, 0]
    assert np.isnan(numbered(numbers, [3, 7, 20], "t")[2])
    assert numbered({"label": np.array([1.0, 0.0, np.nan]), "absent": absent}, [False, True], "t")[:2].tolist() == [
        1,
        0,
    ]
    with pytest.raises(CheckError, match="'c0', 'c1', 'c2', 'c3', 'c4' and 95 more"):
        numbered(numbers, [f"c{index}" for index in range(100)], "t")


@pytest.mark.parametrize(
    "class_values", [None, [], ["one"], "ab", [["a"], ["b"]], [None, None], {"a": 1, "b": 2}, [0] * 1001]
)
def test_what_names_no_classes_is_none(class_values):
    assert not _are_classes(class_values)
    assert _are_classes(["a", "b"]) and _are_classes([0, 1, 2]) and _are_classes([False, True])


def test_a_file_of_scores_that_is_none_is_a_reason(tmp_path, monkeypatch):
    texts, broken, large = (tmp_path / name for name in ("texts.npz", "broken.npz", "large.npz"))
    np.savez(texts, candidate=np.array(["a", "b"]))
    broken.write_bytes(b"PK no")
    for file in (texts, broken, tmp_path / "none"):
        with pytest.raises(CheckError, match="cannot be read"):
            _arrays(str(file), "t")
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("candidate.npy", bytes(1 << 20))
    monkeypatch.setattr("falaj.build.checks.scoring.MOST_SCORE_BYTES", 1 << 19)
    with pytest.raises(CheckError, match="more scores than"):
        _arrays(str(large), "t")


PROFIT = """
import numpy as np

def profit(label, prediction):
    return 10.0 * np.sum(label == prediction) - 5.0 * np.sum(prediction == "high")

def sure(label, prediction, probabilities):
    return probabilities.max(axis=1).mean()

def broken(label, prediction):
    raise ValueError("no price\\nfor " + prediction[0])

def nothing(label, prediction):
    return np.nan

def reads(label, prediction):
    return open(REACHED).read()
"""


@pytest.mark.integration
def test_a_function_of_the_project_is_a_metric(bench, gate_judge):
    table, held_out = rows(TEXTS), rows(TEXTS, 300, seed=1)
    held_out["site"] = np.array(["x", "y", "z"])[np.arange(len(held_out)) % 3]
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    bench.write("src/shop/metrics.py", PROFIT.replace("REACHED", repr(str(bench.root / "secret"))))
    (bench.root / "secret").write_text("never")
    names = ("profit", "sure", "broken", "nothing", "reads", "absent")
    gates = [parse_gate(f"shop.metrics:{name} >= 0.5 on split.test") for name in names]
    gates[0] = parse_gate("shop.metrics:profit >= 500 on split.test by site")
    profit, sure, broken, nothing, reads, absent = gate_judge(model, held_out, *gates)
    predicted = model.predict(held_out[FEATURES])
    earned = 10.0 * (predicted == held_out["late"]) - 5.0 * (predicted == "high")
    assert profit.passed and {each.name: each.value for each in profit.slices} == {
        site: pytest.approx(earned[held_out["site"] == site].sum()) for site in "xyz"
    }
    assert sure.value == pytest.approx(model.predict_proba(held_out[FEATURES]).max(axis=1).mean())
    assert not broken.passed and broken.reason == "the metric failed: ValueError: no price"
    assert not nothing.passed and "a number that is not finite" in nothing.reason
    assert not reads.passed and ("PermissionError" in reads.reason or "FileNotFoundError" in reads.reason)
    assert not absent.passed and "cannot be loaded: AttributeError" in absent.reason


@pytest.mark.integration
def test_a_function_of_the_project_gets_numbers_and_two_classes_by_their_names(bench, gate_judge):
    bench.write("src/shop/metrics.py", "def share(label, prediction): return (prediction == label).mean()")
    bench.write("src/shop/ends.py", "def worst(label, prediction): return abs(prediction - label).max()")
    table = rows(["no", "yes"])
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    [gate_result] = gate_judge(model, table, parse_gate("shop.metrics:share >= 0.5 on split.test"))
    assert gate_result.value == pytest.approx(model.score(table[FEATURES], table["late"]))
    numbers = rows([1.0, 2.0, 3.0])
    [gate_result] = gate_judge(
        DummyRegressor().fit(numbers[FEATURES], numbers["late"]),
        numbers,
        parse_gate("shop.ends:worst <= 5 on split.test"),
    )
    assert gate_result.passed and gate_result.value == pytest.approx(
        float((numbers["late"] - numbers["late"].mean()).abs().max())
    )


@pytest.mark.parametrize("classes", [TEXTS, NUMBERS])
def test_the_reference_of_several_classes_holds_what_is_decided(tmp_path, same_process, classes):
    table, held_out = rows(classes), rows(classes, 200, seed=1)
    held_out.loc[0, "late"] = None
    model = LogisticRegression().fit(table[FEATURES], table["late"])
    held_out.to_parquet(tmp_path / "data.parquet")
    task = {
        "model": str(saved(tmp_path / "model", model, table)), "tables": {"test": str(tmp_path / "data.parquet")},
        "label": "late", "time": None, "features": FEATURES, "most": 0, "out": str(tmp_path),
    }  # fmt: skip
    entry = in_project.main(task)["tables"]["test"]
    assert (entry["problem"], entry["score"], entry["classes"]) == ("", "", [str(each) for each in model.classes_])
    with np.load(entry["file"]) as arrays:
        assert "score" not in arrays.files and "label" not in arrays.files
        decided = np.array(entry["classes"])[arrays["decided"]]
        assert decided.tolist() == [str(each) for each in model.predict(held_out[FEATURES])]
        names = [str(int(each)) if isinstance(each, float) else str(each) for each in held_out["late"].iloc[1:]]
        assert np.isnan(arrays["wrong"][0]) and arrays["wrong"][1:].tolist() == (decided[1:] != names).tolist()
