"""Tasks beyond two classes on real parts: from a push to gates, a release, and answers over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from falaj.core.home import Home
from falaj.sdk import Client, Endpoint, Label
from tests.e2e.installation import Installation, installed
from tests.waiting import until

pytestmark = [pytest.mark.models, pytest.mark.e2e]

STEPS = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression


def prepare(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    test = np.arange(len(rows)) % 4 == 0
    return {"train": rows[~test].reset_index(drop=True), "test": rows[test].reset_index(drop=True)}


def classes(train: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(train[["a", "b"]], train["y"])


def right(label, prediction):
    return (label == prediction).mean()


def numbers(train: pd.DataFrame) -> LinearRegression:
    return LinearRegression().fit(train[["a", "b"]], train["y"])
"""
SPEC = """
model: {model}
owner: you@example.org
risk: low
data:
  rows: {{source: "file://data/rows.csv", classification: public, origin: US}}
pipeline:
  prepare: {{run: "tasks:prepare", inputs: [rows], outputs: [train, test]}}
  fit: {{run: "tasks:{fit}", inputs: [prepare.train], output: model}}
checks: [model-files, data]
expect:
  rows: {{rows: {{min: 100}}}}
gates: {gates}
serving: {{answer: {answer}}}
monitoring: {{label: y}}
"""
OF_CLASSES = [
    "accuracy >= 0.6", "balanced_accuracy >= 0.5", "f1_macro >= 0.5", "f1_weighted >= 0.5", "log_loss <= 1",
    "brier <= 0.3", "auc >= 0.8", "top_2_accuracy >= 0.9", "brier not worse than live by 0.05", "tasks:right >= 0.6",
]  # fmt: skip
OF_NUMBERS = ["mae <= 0.5", "rmse <= 0.5", "r2 >= 0.5", "pinball_0.9 <= 0.5", "mape <= 0.5"]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("tasks") / "home") as instance:
        yield instance


def released(installation: Installation, folder: Path, label: Any, **spec: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """Push a project whose labels are such, and wait for its run."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"a": random.normal(size=600).round(4), "b": random.normal(size=600).round(4)})
    table["y"] = label(table["a"] + table["b"])
    project = installation.plain_template(folder)
    shutil.rmtree(project / "src")
    shutil.rmtree(project / "tests")
    (project / "src").mkdir()
    (project / "src" / "tasks.py").write_text(STEPS)
    table.to_csv(project / "data" / "rows.csv", index=False)
    gates = [f"{gate} on prepare.test" for gate in spec.pop("gates")]
    (project / "falaj.yaml").write_text(SPEC.format(model=folder.name, gates=gates, **spec))
    installation.repository(project, folder.name)
    run = installation.ended(installation.push(project))
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    assert sum(step["kind"] == "gate" and step["state"] == "passed" for step in run["steps"]) == len(gates)
    return run, table


def served(installation: Installation, model: str) -> Endpoint:
    def live() -> Any:
        home = Home(installation.home, {})
        live_endpoint = Client(home.server_url, home.token).endpoint(f"dev/{model}")
        return live_endpoint if live_endpoint and live_endpoint.state == "ready" else None

    return installation.opened(until(live, installation.logs).url)


@pytest.mark.parametrize(
    ("model", "classes", "answer"),
    [("texts", ["low", "mid", "high"], "label"), ("numbers", [3, 7, 20], "both")],
)
def test_several_classes_go_from_a_push_to_probabilities(
    installation: Installation, tmp_path: Path, model: str, classes: list[Any], answer: str
) -> None:
    run, table = released(
        installation, tmp_path / model, lambda score: np.array(classes)[np.digitize(score, [-0.6, 0.6])],
        fit="classes", gates=OF_CLASSES, answer=answer,
    )  # fmt: skip
    assert run["release"] == 1
    with served(installation, model) as endpoint:
        features = table[["a", "b"]]
        default, prediction = endpoint.predict(features), endpoint.predict_proba(features)
        assert prediction.classes == sorted(classes)
        probabilities = np.array(prediction.probabilities)
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert default.predictions == [sorted(classes)[place] for place in probabilities.argmax(axis=1)]
        assert (default.probabilities is None) == (answer == "label")
        assert np.mean(np.array(default.predictions) == table["y"]) > 0.8
        assert endpoint.feedback([Label(default.id, table["y"].tolist())]) == 1
    shown = installation.ok("predict", f"dev/{model}", "--row", '{"a": 3, "b": 3.5}', "--probabilities")
    assert shown.startswith(f"{classes[2]}  ") and f"{classes[2]} 1.0000" in shown


def test_a_regression_goes_from_a_push_to_numbers(installation: Installation, tmp_path: Path) -> None:
    run, table = released(
        installation, tmp_path / "amounts", lambda score: 10 + score, fit="numbers", gates=OF_NUMBERS, answer="label"
    )
    assert run["release"] == 1
    with served(installation, "amounts") as endpoint:
        prediction = endpoint.predict(table[["a", "b"]].to_numpy())
        assert prediction.predictions == pytest.approx(table["y"].tolist(), abs=1e-3)
    refused = installation.falaj("predict", "dev/amounts", "--row", '{"a": 3, "b": 3.5}', "--probabilities")
    assert refused.returncode == 2 and "gives no probabilities" in refused.stderr
