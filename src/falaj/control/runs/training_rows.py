"""Why a run trains again, and the rows that it is to learn from (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from falaj.config.spec import ProjectSpec

_ON: Mapping[str, str] = {"feedback": "labels"}
"""Kinds of triggers that the project file calls otherwise."""


@dataclass(frozen=True)
class Training:
    """The request for a training that started a run.

    Args:
        request: Its id.
        kind: drift, feedback, growth, event, schedule or manual.
        cause: What happened, with its `reason` in words and, where one asked, the `alert`.
        window: The rows to learn from: parameters by name, for the steps that take them.
    """

    request: str
    kind: str
    cause: Mapping[str, Any]
    window: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hope(self) -> Literal["better", "as good", "not worse"]:
        """What a candidate has to show beside the live release."""
        return {"drift": "as good", "feedback": "better"}.get(self.kind, "not worse")  # type: ignore[return-value]

    def evidence(self) -> dict[str, Any]:
        """What is signed of it."""
        cause_fields = ("kind", "reason", "alert", "source", "since", "until", "occasion")
        return {"request": self.request, **{name: self.cause[name] for name in cause_fields if self.cause.get(name)}}


def blocks_of(training: Training, spec: ProjectSpec) -> str | None:
    """The column that keeps rows together when the candidate is compared, as the project file says."""
    on = _ON.get(training.kind, training.kind)
    named = [entry["blocks"] for entry in spec.retrain if entry.get("blocks")]
    mine = [entry["blocks"] for entry in spec.retrain if entry["on"] == on and entry.get("blocks")]
    return next(iter([*mine, *named]), None)


UNTIL, JUDGED_UNTIL = "train_until", "backtest_until"


def refit_window(training: Training, spec: ProjectSpec) -> Mapping[str, Any] | str:
    """The window that learns from the rows that judge as well, or why there is none.

    Args:
        training: That made a candidate which won.
        spec: The project file of the commit.
    """
    if not all(entry.get("refit", True) for entry in _wishes(training, spec)):
        return "the project does not want what wins to be trained again"
    if not any(UNTIL in step.params for step in spec.steps.values()):
        return f"no step has a parameter {UNTIL}: the training has learned from all rows already"
    if UNTIL not in training.window or JUDGED_UNTIL not in training.window:
        return "the training has no window: it has learned from all rows already"
    return {**training.window, UNTIL: training.window[JUDGED_UNTIL]}


def _wishes(training: Training, spec: ProjectSpec) -> Sequence[Mapping[str, Any]]:
    on = _ON.get(training.kind, training.kind)
    return [entry for entry in spec.retrain if entry["on"] == on]


def with_other_window(
    params: Mapping[str, Mapping[str, Any]], before: Mapping[str, Any], window: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Parameters by step with one window in the place of another; what a person asked for by name stays."""
    return {
        step: {
            name: window[name] if name in window and value == before.get(name) else value
            for name, value in values.items()
        }
        for step, values in params.items()
    }


def with_window(
    params: Mapping[str, Mapping[str, Any]], training: Training, spec: ProjectSpec
) -> dict[str, dict[str, Any]]:
    """The run's parameters with the window for each step that declares a parameter of such a name.

    A value that the run was asked for by name stays.

    Args:
        params: As asked, by step.
        training: The training.
        spec: The project file of the commit.
    """
    step_params = {step: dict(values) for step, values in params.items()}
    for name, step in spec.steps.items():
        window_params = {key: value for key, value in training.window.items() if key in step.params}
        if window_params:
            step_params[name] = {**window_params, **step_params.get(name, {})}
    return step_params
