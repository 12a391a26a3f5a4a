"""Why a run trains again, and the rows that it is to learn from (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from falaj.project.spec import ProjectSpec

_ON: Mapping[str, str] = {"feedback": "labels"}
"""Kinds of triggers that the project file calls otherwise."""


@dataclass(frozen=True)
class Training:
    """The request for a training that started a run.

    Args:
        request: Its id.
        kind: drift, feedback, event, schedule or manual.
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
        said = ("kind", "reason", "alert", "source", "since", "until", "occasion")
        return {"request": self.request, **{name: self.cause[name] for name in said if self.cause.get(name)}}


def blocks_of(training: Training, spec: ProjectSpec) -> str | None:
    """The column that keeps rows together when the candidate is compared, as the project file says."""
    on = _ON.get(training.kind, training.kind)
    named = [wish["blocks"] for wish in spec.retrain if wish.get("blocks")]
    mine = [wish["blocks"] for wish in spec.retrain if wish["on"] == on and wish.get("blocks")]
    return next(iter([*mine, *named]), None)


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
    found = {step: dict(values) for step, values in params.items()}
    for name, step in spec.steps.items():
        taken = {key: value for key, value in training.window.items() if key in step.params}
        if taken:
            found[name] = {**taken, **found.get(name, {})}
    return found
