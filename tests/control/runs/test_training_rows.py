"""Why a run trains again, and what its steps are told of the window."""

from __future__ import annotations

import pytest

from falaj.config.spec import ProjectSpec, StepSpec
from falaj.control.runs.training_rows import Training, blocks_of, with_window

WINDOW = {"train_from": "2013-01-01", "train_until": "2013-06-01", "backtest_until": "2013-07-01"}
STEPS = {
    "split": StepSpec("split", run="m:split", params={"train_until": None, "backtest_until": None}),
    "fit": StepSpec("fit", run="m:fit", params={"rate": 0.1}),
}
WISHES = (
    {"on": "labels", "every": 5, "blocks": "day"},
    {"on": "drift"},
    {"on": "event", "source": "s", "blocks": "week"},
)
SPEC = ProjectSpec("m", "o", steps=STEPS, retrain=WISHES)


def training(kind: str = "drift") -> Training:
    cause = {"kind": "drift", "reason": "the loss has risen", "alert": "a1", "location": "dubai", "since": None}
    return Training("t1", kind, cause, WINDOW)


def test_steps_are_told_what_they_declare() -> None:
    step_parameters = {"split": {"backtest_until": "2013-06-15"}, "fit": {"rate": 0.2}}
    assert with_window(step_parameters, training(), SPEC) == {
        "split": {"train_until": "2013-06-01", "backtest_until": "2013-06-15"},
        "fit": {"rate": 0.2},
    }
    assert with_window({}, Training("t", "manual", {}), SPEC) == {}


@pytest.mark.parametrize(
    ("kind", "hope", "blocks"),
    [
        ("drift", "as good", "day"),
        ("feedback", "better", "day"),
        ("event", "not worse", "week"),
        ("manual", "not worse", "day"),
    ],
)
def test_what_is_hoped_of_it(kind: str, hope: str, blocks: str) -> None:
    assert training(kind).hope == hope
    assert blocks_of(training(kind), SPEC) == blocks


def test_no_blocks_are_rows_of_their_own() -> None:
    assert blocks_of(training(), ProjectSpec("m", "o")) is None


def test_evidence_names_the_alert_and_leaves_out_what_is_not_known() -> None:
    assert training().evidence() == {"request": "t1", "kind": "drift", "reason": "the loss has risen", "alert": "a1"}
