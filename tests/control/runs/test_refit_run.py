"""A training that wins, run without a platform: the backtest model is judged, and its recipe learns from all rows."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uv

from falaj.config.create import create_project
from falaj.control.notary import open_office
from falaj.control.runs.contract import LiveRelease, RunContext, RunResult, RunSpec
from falaj.control.runs.execution import execute_run
from falaj.control.runs.training_rows import Training
from falaj.core.home import Home
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import open_home_store
from falaj.supply_chain.attestations import open_keyring
from tests.e2e.installation import share_environments

pytestmark = [pytest.mark.lifecycle, pytest.mark.e2e, pytest.mark.timeout(900)]
SPLIT = "def split(tumours: pd.DataFrame, test_every: int)"
WINDOWED = SPLIT[:-1] + ", train_until: str | None = None, backtest_until: str | None = None)"
IS_TEST = "    is_test = tumours.index % test_every == 0\n"
IS_RECENT = """    judges = bool(train_until and backtest_until and train_until < backtest_until)
    recent = (tumours.index % test_every == 1) & judges  # these rows have no dates: a share of them is the last days
"""
WINDOW = {"train_until": "2026-03-01T00:00:00+00:00", "backtest_until": "2026-04-01T00:00:00+00:00"}
TRAINING = Training("t1", "growth", {"kind": "growth", "reason": "labelled rows have grown"}, WINDOW)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, whose split leaves out the rows that judge."""
    folder = tmp_path_factory.mktemp("refit") / "tumours"
    create_project(folder, "tumours")
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder.with_name("venv"))}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=folder, env=environment, check=True)
    spec = folder / "falaj.yaml"
    text = spec.read_text().replace("[static, tests, secrets, model-files]", "[model-files]")
    text = text.replace("{test_every: 4}", "{test_every: 4, train_until: null, backtest_until: null}")
    text = text.replace("worse than live by 0.02", "worse than live by 0.1")  # 143 rows tell no less apart
    spec.write_text(text + "\nretrain:\n  - {on: growth}\n")
    code = folder / "src" / "tumours" / "features.py"
    learn = "tumours[~is_test].reset_index(drop=True)"
    changed = code.read_text().replace(SPLIT, WINDOWED).replace(IS_TEST, IS_TEST + IS_RECENT)
    code.write_text(changed.replace(learn, "tumours[~is_test & ~recent].reset_index(drop=True)"))
    return folder


class Lab:
    """Runs of the project, one after another, each beside the release that the first one made."""

    def __init__(self, project: Path, home: Home) -> None:
        self.project, self.home, self.live = project, home, None
        self.events: list[Any] = []
        home.prepare()

    def run(self, run_id: str, training: Training | None = None) -> RunResult:
        order = RunSpec(run_id, str(self.project), "", "a" * 40, "A <a@example.org>", {}, "growth", training)
        around = RunContext(
            home=self.home, store=open_home_store(self.home), notary=open_office(self.home),
            emit=self.events.append, cancelled=lambda: False, live=lambda _: self.live, tracking=lambda *_: {},
        )  # fmt: skip
        return execute_run(order, self.project, around)


def predicates(outcome: RunResult) -> Mapping[str, Any]:
    payloads = (json.loads(base64.b64decode(envelope["payload"])) for _, envelope in outcome.envelopes)
    return {each["predicateType"].split("/")[-2]: each["predicate"] for each in payloads}


def problems(outcome: RunResult, home: Home, without: str = "") -> list[str]:
    """What a verifier says of the release, with one kind of evidence taken away."""
    release = attestations.BundledRelease(outcome.model or "", 2, outcome.digest or "", "r2", "a" * 40)
    bundled_envelopes = [dict(envelope) for kind, envelope in outcome.envelopes if kind != without]
    bundle = attestations.bundle_of(release, bundled_envelopes)
    trusted = open_keyring(home.keys).trusted()
    verification = attestations.verify_release(bundle, trusted, Path(), digest_of=lambda _: outcome.digest or "")
    return [problem.message for problem in verification.problems]


def test_what_wins_is_trained_again_on_all_rows(project: Path, tmp_path: Path) -> None:
    share_environments(tmp_path / "home")
    lab = Lab(project, Home(tmp_path / "home", {}))
    first = lab.run("r1")
    assert first.ok and first.digest, first.reason
    lab.live = LiveRelease(1, first.digest)
    code = project / "src" / "tumours" / "training.py"
    code.write_text(code.read_text().replace("random_state=0", "random_state=1, max_leaf_nodes=15"))
    second = lab.run("r2", TRAINING)
    assert second.ok, second.reason
    refit = second.data["retraining"]["refit"]
    assert refit["reason"].startswith("trained again on all rows: it agrees on split.test")
    assert refit["of"] and refit["of"] != second.digest
    the_evidence_says_so(second, refit["of"])
    assert problems(second, lab.home) == []
    assert problems(second, lab.home, without=attestations.COMPARISON) == [
        f"there is no comparison of the backtest model {refit['of'][:19]}"
    ]
    nodes = {event.node for event in lab.events if event.node.startswith("refit.")}
    assert {"refit.fit", "refit.packaging", "refit.reference", "refit.model-files"} <= nodes
    nothing_new_the_second_time(lab, second)
    a_refit_that_breaks_leaves_the_judged_twin(lab)


def the_evidence_says_so(outcome: RunResult, backtest_model: str) -> None:
    statements = predicates(outcome)
    comparison, train = statements["comparison"], statements["train"]
    assert (train["refit_of"], comparison["refit"]) == (backtest_model, outcome.digest)
    assert comparison["verdict"]["wins"] and comparison["agreement"]["agrees"]
    assert 0 <= comparison["verdict"]["power"]["probability"] <= 1
    backtest_split, learned = comparison["parameters"]["split"], train["parameters"]["split"]
    assert backtest_split["train_until"] == WINDOW["train_until"]
    assert learned["train_until"] == learned["backtest_until"] == WINDOW["backtest_until"]
    assert comparison["parameters"]["fit"] == train["parameters"]["fit"]
    assert {gate["passed"] for gate in statements["eval"]["gates"]} == {True}


def nothing_new_the_second_time(lab: Lab, before: RunResult) -> None:
    """The backtest model is another model than the release, its refit is not: no second release of the same bytes."""
    assert before.digest
    releases_by_digest = {before.digest: "tumours@2"}
    order = RunSpec("r3", str(lab.project), "", "a" * 40, "A <a@example.org>", {}, "growth", TRAINING)
    around = RunContext(
        home=lab.home, store=open_home_store(lab.home), notary=open_office(lab.home),
        emit=lab.events.append, cancelled=lambda: False, live=lambda _: lab.live, tracking=lambda *_: {},
        existing_release=lambda _, digest: releases_by_digest.get(digest),
    )  # fmt: skip
    again = execute_run(order, lab.project, around)
    assert (again.digest, again.reason) == (None, "nothing new: the training gave the model of tumours@2 again")


def a_refit_that_breaks_leaves_the_judged_twin(lab: Lab) -> None:
    code = lab.project / "src" / "tumours" / "training.py"
    fit = '    """Boosted trees on every column but the label."""\n'
    broken = f'{fit}    if len(train) > 320:\n        raise ValueError("too many rows")\n'
    code.write_text(code.read_text().replace(fit, broken))
    outcome = lab.run("r4", replace(TRAINING, request="t4"))
    assert outcome.ok, outcome.reason
    refit = outcome.data["retraining"]["refit"]
    assert refit["of"] is None and "too many rows" in refit["reason"]
    assert predicates(outcome)["eval"]["champion"]["wins"]
    assert "comparison" not in predicates(outcome)
