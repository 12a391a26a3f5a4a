"""A run whose model step is a sweep: real steps, scoring, packaging and evidence, in the environment of the tests."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from falaj.cli.progress import candidate_lines
from falaj.control.notary import open_office
from falaj.control.runs import execution
from falaj.control.runs.contract import RunContext, RunResult, RunSpec, Untracked
from falaj.control.runs.execution import execute_run
from falaj.core.home import Home
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts import open_home_store
from falaj.trust.lineage import Edge, Node
from tests.order_of_modules import FirstCalls, described

pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]

CODE = """
import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge


def split(folds: int) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    rows = pd.DataFrame({"x": x, "z": random.normal(size=400), "y": 3 * x + random.normal(size=400) / 10})
    part = np.arange(400) % 4
    parts = {"train": rows[part < 2], "validation": rows[part == 2], "test": rows[part == 3]}
    tables = {name: each.reset_index(drop=True) for name, each in parts.items()}
    return {**tables, "again": tables["validation"]}


def fit(train: pd.DataFrame, penalty: float, seed: int):
    if penalty < 0:
        raise ValueError("a penalty is not negative")
    print("penalty", penalty)
    model = DummyRegressor() if penalty > 1e6 else Ridge(alpha=penalty)
    return model.fit(train[["x", "z"]], train["y"])


def evaluate(model, test: pd.DataFrame) -> dict[str, float]:
    return {"slope": float(model.coef_[0])}
"""
SPEC = """
model: loads
owner: you@example.org
pipeline:
  split: {run: "steps:split", params: {folds: 4}, outputs: [train, validation, test, again]}
  fit:
    run: steps:fit
    inputs: [split.train]
    params: {seed: 1}
    matrix: {penalty: [1.0e+9, -1, 1000, 0.1]}
    select: rmse on split.validation
    output: model
  evaluate: {run: "steps:evaluate", inputs: [fit, split.test], output: report}
checks: [model-files]
expect:
  split.test: {rows: {min: 50}}
gates:
  - rmse <= 1 on split.test
monitoring: {label: y}
"""


class Tracker(Untracked):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.closed: dict[str, tuple[Mapping[str, str], Mapping[str, float], bool]] = {}

    def close(self, candidate: str, params: Mapping[str, str], metrics: Mapping[str, float], *, ok: bool) -> None:
        self.closed[candidate] = (params, metrics, ok)


class Lab:
    """Runs of the project, one after another."""

    def __init__(self, folder: Path) -> None:
        self.home, self.project = Home(folder / "home", {}), folder / "project"
        self.home.prepare()
        self.project.mkdir()
        (self.project / "steps.py").write_text(CODE)
        self.events: list[Any] = []
        self.tracker = Tracker()

    def run(self, run_id: str, spec: str = SPEC, **params: Any) -> RunResult:
        (self.project / "falaj.yaml").write_text(spec)
        self.events.clear()
        order = RunSpec(run_id, str(self.project), "", "a" * 40, "A <a@example.org>", params, "manual")
        around = RunContext(
            home=self.home, store=open_home_store(self.home), notary=open_office(self.home),
            emit=self.events.append, cancelled=lambda: False, live=lambda _: None, tracking=lambda *_: {},
            candidates=lambda _: self.tracker,
        )  # fmt: skip
        return execute_run(order, self.project, around)

    def kinds(self, node: str) -> list[str]:
        return [event.kind for event in self.events if event.node == node]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setattr(execution, "build", lambda *_, **__: Environment(Path(sys.executable), "tests", reproducible=False))
    yield Lab(tmp_path_factory.mktemp("sweep"))
    patch.undo()


@pytest.fixture(scope="module")
def order() -> FirstCalls:
    return FirstCalls()


@pytest.fixture(scope="module")
def selected(lab: Lab, order: FirstCalls) -> RunResult:
    with order.recorded():
        outcome = lab.run("r1")
    assert outcome.ok, outcome.reason
    return outcome


def train_of(outcome: RunResult) -> Mapping[str, Any]:
    payloads = (json.loads(base64.b64decode(envelope["payload"])) for _, envelope in outcome.envelopes)
    return next(each["predicate"] for each in payloads if each["predicateType"].endswith("train/v1"))


def test_the_best_candidate_goes_on_as_if_the_project_said_so(lab: Lab, selected: RunResult) -> None:
    selection = selected.data["selection"]
    assert selection["best"] == "fit[penalty=0.1]" and selection["better"] == "less"
    scores = [each["score"] for each in selection["candidates"]]
    assert scores[0] > scores[2] > scores[3] and scores[1] is None
    assert selection["candidates"][1]["reason"] == "ValueError: a penalty is not negative"
    assert train_of(selected)["parameters"]["fit"] == {"seed": 1, "penalty": 0.1}
    assert selected.params["param.fit.penalty"] == "0.1"
    assert selected.metrics["metric.selection.rmse.split.validation"] == scores[3]
    assert selected.metrics["metric.evaluate.slope"] == pytest.approx(3, abs=0.1)


def test_a_run_goes_the_way_that_is_described(order: FirstCalls, selected: RunResult) -> None:
    way = described("What one run goes through")
    assert order.among(way) == way


def test_the_evidence_names_every_candidate(selected: RunResult) -> None:
    record = train_of(selected)["selection"]
    assert (record["text"], record["best"]) == ("rmse on split.validation", "fit[penalty=0.1]")
    shown = selected.data["selection"]["candidates"]
    assert [each["model"] for each in record["candidates"]] == [each["model"] for each in shown]
    assert selected.data["packaged_from"] == record["candidates"][3]["model"]
    assert len({each["table"] for each in record["candidates"] if each["model"]}) == 1


def test_lineage_leads_to_the_candidate_that_made_the_model(selected: RunResult) -> None:
    model = Node("artifact", selected.data["packaged_from"])
    assert Edge(model, "made by", Node("step", "r1/fit[penalty=0.1]")) in selected.edges
    assert Edge(Node("step", "r1/fit"), "reused", model) in selected.edges
    read = [edge for edge in selected.edges if edge.derived == Node("step", "r1/evaluate") and edge.relation == "read"]
    assert len(read) == 2
    splits = [edge for edge in selected.edges if edge.origin == Node("step", "r1/split")]
    assert {edge.relation for edge in splits} == {"made by"}
    assert len(splits) == 3  # two of its four tables are the same


def test_people_and_trackers_see_all_candidates(lab: Lab, selected: RunResult) -> None:
    shown = next(event.data for event in lab.events if event.kind == "check.finished" and event.node == "selection")
    lines = candidate_lines(shown)
    assert lines[0].split() == ["penalty", "score"]
    assert lines[2].split(maxsplit=2) == ["-1", "-", "ValueError: a penalty is not negative"]
    assert lines[4].endswith("selected") and sum(line.endswith("selected") for line in lines) == 1
    params, metrics, ok = lab.tracker.closed["fit[penalty=0.1]"]
    assert ok and params == {"penalty": "0.1", "seed": "1"} and [*metrics] == ["rmse.split.validation"]
    assert lab.tracker.closed["fit[penalty=-1]"][1:] == ({}, False)
    assert lab.kinds("split").count("step.finished") == 1 and "step.cached" not in lab.kinds("split")
    assert lab.kinds("fit") == ["step.cached"]


def test_a_second_run_trains_and_scores_nothing(lab: Lab, selected: RunResult) -> None:
    again = lab.run("r2", SPEC.replace("-1, ", ""))
    assert again.ok and again.digest == selected.digest
    assert lab.kinds("fit[penalty=1000]") == ["step.cached"]


def test_the_same_rows_under_another_name_do_not_judge(lab: Lab, selected: RunResult) -> None:
    outcome = lab.run("r4", SPEC.replace("<= 1 on split.test", "<= 1 on split.again"))
    assert outcome.state == "rejected" and "which cannot judge what it selected" in outcome.reason


def test_where_every_candidate_breaks_the_run_fails(lab: Lab) -> None:
    outcome = lab.run("r6", SPEC.replace("[1.0e+9, -1, 1000, 0.1]", "[-1, -2]"))
    assert outcome.state == "failed"
    assert outcome.reason == (
        "selection: none of the 2 candidates has a score: fit[penalty=-1]: ValueError: a penalty is not negative"
    )
