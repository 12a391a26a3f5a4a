"""The second training of a run that won: what is judged, signed and remembered, with steps that take no time.

`test_refit_run.py` does the same with real steps, packaging and scoring.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from falaj.build.checks import CheckResult, GateResult
from falaj.build.checks.scoring import CANDIDATE, LIVE, GateScoring, Scores
from falaj.build.packaging.result import PackagingResult
from falaj.build.pipeline.events import RunEvent
from falaj.build.pipeline.node_files import step_log
from falaj.build.pipeline.result import PipelineResult, StepResult, StepState
from falaj.config.spec import GateSpec, ProjectSpec, StepSpec
from falaj.control.notary import Attestation, Office, ScoredTable
from falaj.control.notary.evidence import statements_of
from falaj.control.runs import execution, packaging, reference, run_folder
from falaj.control.runs.contract import LiveRelease, RunContext, RunResult, RunSpec
from falaj.control.runs.execution import execute_run
from falaj.control.runs.training_rows import Training
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.venv.environment import Environment
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import Digest, open_home_store
from falaj.supply_chain.attestations import open_keyring

WINDOW = {"train_until": "2026-03-01T00:00:00+00:00", "backtest_until": "2026-04-01T00:00:00+00:00"}
TRAINING = Training("t1", "growth", {"kind": "growth", "reason": "labelled rows have grown"}, WINDOW)
SPEC = ProjectSpec(
    "m", "o",
    steps={
        "split": StepSpec("split", run="p:split", outputs=("train", "test", "acceptance"),
                          params={"train_until": None, "backtest_until": None}),
        "fit": StepSpec("fit", run="p:fit", inputs=("split.train",), output="model", params={"seed": 3}),
    },
    checks={"model-files": {}, "secrets": {}, "model": {}},
    gates=(
        GateSpec("brier <= 0.3 on split.acceptance", "brier", "<=", 0.3, "split.acceptance"),
        GateSpec("brier not worse than live by 0.01 on split.test", "brier", "not worse than", None, "split.test",
                 not_worse_than="live", margin=0.01),
    ),
    monitoring={"label": "y"},
    retrain=({"on": "growth"},),
)  # fmt: skip


class BelievingNotary(Office):
    """Signs what it is told: the models and scores of these runs are made up."""

    def attest(
        self, attestation: Attestation, tables: Mapping[str, ScoredTable]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        gates = tuple(claim.record for claim in attestation.gates)
        statements = statements_of(attestation, gates, attestation.champion)
        return [
            (each.predicate_type, attestations.sign_statement(each, self.keyring.signer_for(each.predicate_type)))
            for each in statements
        ]


class Lab:
    """Runs of a project whose steps, packaging and scoring give what a test wants."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.folder = Home(folder / "home", {}), folder
        self.home.prepare()
        self.store = open_home_store(self.home)
        self.events: list[Any] = []
        self.trained: list[str] = []
        self.refit_error = self.backtest_error = 0.05
        self.refit_breaks, self.refit_misses_a_gate = False, False
        self.by_bytes: Mapping[str, str] = {}
        self.live = LiveRelease(1, str(self.put("live")))
        for module, name, stub in (
            (execution, "load_project_cached", lambda *_: SPEC),
            (execution, "build", lambda *_, **__: Environment(Path("/python"), "d" * 64, True)),
            (execution, "execute", self.execute),
            (execution, "package_model", self.package),
            (execution, "reference_of", lambda *_: reference.Referenced(None, ("none",), learned_rows=7)),
            (execution, "run_check", lambda name, _: CheckResult(name, True, "fine", 3)),
            (execution, "judge_all", self.judge),
        ):
            monkeypatch.setattr(module, name, stub)

    def put(self, text: str) -> Digest:
        folder = self.folder / "made" / text.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file.txt").write_text(text)
        return self.store.put(folder).digest

    def execute(self, _spec: ProjectSpec, *, params: Any, log_path: Any, emit: Any, **_: Any) -> PipelineResult:
        until = params["split"]["train_until"][:10]
        log = log_path("fit")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"fit until {until}\n")
        emit(RunEvent("step.finished", 0.0, "fit", {}))
        self.trained.append(until)
        if self.refit_breaks and len(self.trained) > 1:
            raise FalajError("the disk is full")
        tables = {name: self.put(f"{name} {until}") for name in ("train", "test")}
        tables["acceptance"] = self.put("acceptance")
        success = StepState.SUCCEEDED
        return PipelineResult({
            "split": StepResult("split", "split", success, outputs=tables),
            "fit": StepResult("fit", "fit", success, outputs={"output": self.put(f"model {until}")}),
        }, {})  # fmt: skip

    def package(self, _store: Any, model: Digest, *_: Any, answer: str = "both") -> Any:
        digest = self.put(f"packaged {model[-8:]}")
        return packaging.Packaged(digest, PackagingResult("native"), ("a",))

    def judge(self, context: Any) -> tuple[tuple[GateResult, ...], GateScoring]:
        second = len(self.trained) > 1
        passed = not (second and self.refit_misses_a_gate)
        gates = tuple(
            GateResult(gate, passed, 0.2, gate.limit, 900, None, None, "it is measured") for gate in context.spec.gates
        )
        rng = np.random.default_rng(0)
        true = rng.uniform(0.3, 0.7, 900)
        label = (rng.random(900) < true).astype(float)
        error = self.refit_error if second else self.backtest_error
        scores = {CANDIDATE: true + error * rng.choice([-1, 1], 900), LIVE: true + 0.05 * rng.choice([-1, 1], 900)}
        return gates, GateScoring({gate.data: Scores(label, scores, {}, {}) for gate in context.spec.gates}, {}, {})

    def run(self) -> RunResult:
        order = RunSpec("r2", "/repo", "", "a" * 40, "A <a@example.org>", {}, "growth", TRAINING)
        around = RunContext(
            home=self.home, store=self.store, notary=BelievingNotary(self.home), emit=self.events.append,
            cancelled=lambda: False, live=lambda _: self.live, tracking=lambda *_: {},
            existing_release=lambda _, digest: self.by_bytes.get(digest),
        )  # fmt: skip
        return execute_run(order, self.folder, around)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def predicates(outcome: RunResult) -> Mapping[str, Any]:
    payloads = (json.loads(base64.b64decode(envelope["payload"])) for _, envelope in outcome.envelopes)
    return {each["predicateType"].split("/")[-2]: each["predicate"] for each in payloads}


def problems(lab: Lab, outcome: RunResult, without: str = "") -> list[str]:
    release = attestations.BundledRelease("m", 2, outcome.digest or "", "r2", "a" * 40)
    bundled_envelopes = [dict(envelope) for kind, envelope in outcome.envelopes if kind != without]
    trusted = open_keyring(lab.home.keys).trusted()
    verification = attestations.verify_release(
        attestations.bundle_of(release, bundled_envelopes), trusted, Path(), digest_of=lambda _: outcome.digest or ""
    )
    return [problem.message for problem in verification.problems]


def test_what_wins_is_trained_again_and_the_evidence_says_so(lab: Lab) -> None:
    outcome = lab.run()
    assert outcome.ok, outcome.reason
    assert lab.trained == ["2026-03-01", "2026-04-01"]
    refit_data = outcome.data["retraining"]["refit"]
    statements = predicates(outcome)
    assert (statements["train"]["refit_of"], statements["comparison"]["refit"]) == (refit_data["of"], outcome.digest)
    assert refit_data["of"] != outcome.digest and refit_data["acceptance"] == [str(lab.put("acceptance"))]
    assert [gate["text"] for gate in statements["eval"]["gates"]] == ["brier <= 0.3 on split.acceptance"]
    assert statements["comparison"]["verdict"]["wins"] and statements["comparison"]["agreement"]["agrees"]
    assert statements["comparison"]["parameters"]["split"]["train_until"] == WINDOW["train_until"]
    assert statements["train"]["parameters"]["split"]["train_until"] == WINDOW["backtest_until"]
    assert statements["train"]["parameters"]["fit"] == statements["comparison"]["parameters"]["fit"] == {"seed": 3}
    assert refit_data["of"] in outcome.data["artifacts"]
    assert outcome.data["retraining"]["window"]["train_until"] == WINDOW["backtest_until"]
    assert problems(lab, outcome) == []
    missing = f"there is no comparison of the backtest model {refit_data['of'][:19]}"
    assert problems(lab, outcome, without=attestations.COMPARISON) == [missing]
    assert {"refit.packaging", "refit.reference", "refit.model-files"} <= {event.node for event in lab.events}
    assert {str(edge.derived) for edge in outcome.edges if edge.relation == "trained again from"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"refit_breaks": True}, "the disk is full"),
        ({"refit_misses_a_gate": True}, "is refused: gate brier <= 0.3 on split.acceptance"),
        ({"refit_error": 0.3}, "does not agree on split.acceptance"),
    ],
)
def test_a_refit_that_does_not_hold_leaves_the_judged_twin(lab: Lab, change: dict[str, Any], reason: str) -> None:
    for name, value in change.items():
        setattr(lab, name, value)
    outcome = lab.run()
    assert outcome.ok, outcome.reason
    refit, statements = outcome.data["retraining"]["refit"], predicates(outcome)
    assert refit["of"] is None and reason in refit["reason"]
    assert (
        statements["eval"]["champion"]["wins"]
        and statements["train"]["refit_of"] is None
        and "comparison" not in statements
    )
    assert statements["train"]["parameters"]["split"]["train_until"] == WINDOW["train_until"]
    assert problems(lab, outcome) == []


def test_what_the_steps_of_both_trainings_printed_stays_apart(lab: Lab) -> None:
    lab.run()
    printed = [f"fit until {until}\n" for until in lab.trained]
    ended = [event for event in lab.events if event.kind == "step.finished"]
    assert [event.node for event in ended] == ["fit", "refit.fit"]
    assert [lab.store.read_bytes(event.data["log"]).decode() for event in ended] == printed
    run_dir = lab.home.run_dir("r2")
    run_folder.clear(run_dir)
    assert [step_log(run_dir, node).read_text() for node in ("fit", "refit.fit")] == printed


def test_a_candidate_that_lost_is_not_trained_again(lab: Lab) -> None:
    lab.backtest_error = 0.3
    outcome = lab.run()
    assert (outcome.ok, lab.trained) == (True, ["2026-03-01"])
    assert not outcome.data["retraining"]["wins"] and outcome.data["retraining"]["refit"] is None


def test_the_twin_of_a_release_again_is_nothing_new(lab: Lab) -> None:
    backtest_model = str(lab.put("packaged " + str(lab.put("model 2026-03-01"))[-8:]))
    lab.by_bytes = {backtest_model: "m@2"}
    outcome = lab.run()
    assert outcome.ok and outcome.reason == "nothing new: the training gave the model of m@2 again"
    assert lab.trained == ["2026-03-01"]


def test_a_refit_that_is_a_release_already_is_nothing_new(lab: Lab) -> None:
    first = lab.run()
    assert first.digest
    lab.by_bytes, lab.trained = {first.digest: "m@2"}, []
    again = lab.run()
    assert (again.digest, again.reason) == (None, "nothing new: the training gave the model of m@2 again")
