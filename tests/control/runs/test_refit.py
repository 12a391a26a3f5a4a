"""What wins is trained again on all rows: with which window, judged by which gates, and what the release remembers."""

from __future__ import annotations

import pytest

from falaj.config.spec import GateSpec, ProjectSpec, StepSpec
from falaj.control.runs.refit import acceptance_gates, judging_tables, learned_by
from falaj.control.runs.training_rows import Training, refit_window, with_other_window, with_window
from falaj.supply_chain.artifacts import Digest

WINDOW = {"train_from": "2013-01-01", "train_until": "2013-06-01", "backtest_until": "2013-07-01"}
SPLIT = StepSpec("split", run="m:split", params={"train_until": None, "backtest_until": None})
FIT = StepSpec("fit", run="m:fit", params={"rate": 0.1, "seed": 3})
SPEC = ProjectSpec("m", "o", steps={"split": SPLIT, "fit": FIT}, retrain=({"on": "growth"},))
TRAINING = Training("t1", "growth", {"reason": "rows have grown"}, WINDOW)


def digest(letter: str) -> Digest:
    return Digest("sha256:" + letter * 64)


def test_the_refit_learns_up_to_where_the_judging_rows_end_and_has_all_other_parameters() -> None:
    window = refit_window(TRAINING, SPEC)
    assert isinstance(window, dict) and window == {**WINDOW, "train_until": "2013-07-01"}
    backtest_model = with_window({"fit": {"rate": 0.3}}, TRAINING, SPEC)
    assert with_other_window(backtest_model, WINDOW, window) == {
        "split": {"train_until": "2013-07-01", "backtest_until": "2013-07-01"},
        "fit": {"rate": 0.3},
    }


def test_a_window_that_a_person_asked_for_by_name_stays() -> None:
    backtest_model = with_window({"split": {"train_until": "2013-05-05"}}, TRAINING, SPEC)
    window = refit_window(TRAINING, SPEC)
    assert isinstance(window, dict)
    assert with_other_window(backtest_model, WINDOW, window)["split"]["train_until"] == "2013-05-05"


@pytest.mark.parametrize(
    ("training", "spec", "reason"),
    [
        (TRAINING, ProjectSpec("m", "o", steps={"fit": FIT}), "no step has a parameter train_until"),
        (Training("t", "growth", {}, {}), SPEC, "no window"),
        (
            TRAINING,
            ProjectSpec("m", "o", steps={"split": SPLIT}, retrain=({"on": "growth", "refit": False},)),
            "does not want",
        ),
    ],
)
def test_why_there_is_no_refit(training: Training, spec: ProjectSpec, reason: str) -> None:
    refusal = refit_window(training, spec)
    assert isinstance(refusal, str) and reason in refusal


def test_gates_on_rows_that_the_window_changes_do_not_judge_the_refit() -> None:
    gates = tuple(
        GateSpec(f"auc >= 0.5 on {table}", "auc", ">=", 0.5, table)
        for table in ("split.acceptance", "split.test", "regression.g1")
    )
    backtest_model = {"split.acceptance": digest("a"), "split.test": digest("b")}
    refit = {"split.acceptance": digest("a"), "split.test": digest("c")}
    judging_gates = acceptance_gates(gates, backtest_model, refit, {"regression.g1": digest("d")})
    assert [gate.data for gate in judging_gates] == ["split.acceptance", "regression.g1"]
    assert judging_tables(gates, backtest_model, refit) == {"split.test"}
    assert acceptance_gates(gates[1:2], backtest_model, refit, {}) == ()


def test_what_a_release_has_learned_from() -> None:
    refit = {"of": digest("a"), "reason": "", "acceptance": [digest("b")]}
    assert learned_by({"window": WINDOW, "refit": refit}) == ("2013-06-01", frozenset({digest("b")}))
    assert learned_by({"window": WINDOW, "refit": {"of": None, "reason": "no step"}}) == ("", frozenset())
    assert learned_by({}) == ("", frozenset())
