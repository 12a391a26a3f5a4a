"""Trainings as the API tells of them: what would start one, what asked for one, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class TriggerState:
    """Something that starts trainings of a model.

    `settings` is the entry of `retrain` in the project file. `would` is what a trigger of this kind would do now:
    start, wait or refuse, with the reason in `why` and, of one that waits, the time in `until` (unix seconds). A
    schedule has the time when it is due next in `next_due_at`.
    """

    on: str
    settings: dict[str, Any]
    would: states.TriggerAnswer
    why: str
    until: float | None
    last_asked_at: float | None
    last_started_at: float | None
    next_due_at: float | None
    problem: str


@dataclass(frozen=True)
class TrainingRequest:
    """A request for a training, and what became of it.

    `state` is waiting, started or refused, and later how the training ended: won, unchanged, lost or failed. `times` is
    how often it was asked for while it waited. `verdict` says how the candidate did beside the live release.
    """

    id: str
    model: str
    kind: states.TrainingKind
    state: states.TrainingState
    reason: str
    cause: dict[str, Any]
    times: int
    attempt: int
    actor: str
    run: str | None
    release: int | None
    window: dict[str, Any]
    verdict: dict[str, Any]
    requested_at: float
    wake_at: float | None
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True)
class ModelTriggers:
    """What starts trainings of a model, the budget of its first trigger that names one, and the last requests."""

    model: str
    project: str
    release: int
    triggers: list[TriggerState]
    runs_in_week: int
    runs_a_week: int
    minutes_in_week: float
    minutes_a_week: float
    resumed_at: float | None
    requests: list[TrainingRequest]


def request_of(row: Any) -> TrainingRequest:
    """The document of a request (`storage.retraining_tables.TrainingRequestRow`)."""
    return TrainingRequest(
        id=row.id, model=row.model, kind=row.kind, state=row.state, reason=row.reason, cause=dict(row.cause),
        times=row.times, attempt=row.attempt, actor=row.actor, run=row.run_id, release=row.data.get("release"),
        window=dict(row.data.get("window", {})), verdict=dict(row.data.get("verdict", {})),
        requested_at=row.requested_at, wake_at=row.wake_at, started_at=row.started_at, ended_at=row.ended_at,
    )  # fmt: skip
