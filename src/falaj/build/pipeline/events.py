"""What a run says while it happens: one frozen record per event, readable as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from falaj.core.json_record import JsonRecord

EventKind = Literal[
    "run.started",
    "step.queued",
    "step.started",
    "step.log",
    "step.cached",
    "step.finished",
    "step.failed",
    "step.retried",
    "check.started",
    "check.finished",
    "gate.started",
    "gate.finished",
    "refit.started",
    "refit.ended",
    "run.finished",
    "run.warning",
    "run.installing",
]


@dataclass(frozen=True)
class RunEvent(JsonRecord):
    """Something that happened in a run.

    Attributes:
        kind: What happened.
        at: When, in unix seconds.
        node: The step, check or gate that it happened to; empty for the run itself.
        data: The particulars, JSON values only. `step.log` has `lines`; `step.started` has
            `attempt`, and `executor` where it is not this machine; `step.failed` has `code`, `message`,
            `where` and `hint`; `step.retried` also `attempt` and `wait_s`; `run.warning` has `message`,
            `run.installing` has `lockfile`.
    """

    kind: EventKind
    at: float
    node: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> Sequence[str]:
        """What a step printed, of `step.log`."""
        lines: Sequence[str] = self.data["lines"]
        return lines

    @property
    def message(self) -> str:
        """What is wrong, of `run.warning`."""
        return str(self.data["message"])

    @property
    def lockfile(self) -> str:
        """What is installed, of `run.installing`."""
        return str(self.data["lockfile"])

    @property
    def verdict(self) -> str:
        """`passed` or `failed`, of the end of a check or a gate."""
        return "passed" if self.data["passed"] else "failed"


Emit = Callable[[RunEvent], None]
"""Receives events in the order in which they happen, one at a time. It must not block for long."""
