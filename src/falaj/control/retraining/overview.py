"""What would start a training of a model now, when it last did, and what is left of the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.config.cron import Cron
from falaj.control.retraining import history
from falaj.control.retraining.model_settings import KIND_OF, RetrainSettings
from falaj.control.retraining.rows import labelled_rows
from falaj.control.retraining.training_history import WEEK_S, PastTraining, Trigger, TriggerKind
from falaj.control.retraining.triggers import Start, Wait, decide
from falaj.schemas.retraining import ModelTriggers, TriggerState, request_of
from falaj.schemas.states import TriggerAnswer
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow


def overview(session: Session, settings: RetrainSettings, now: float) -> ModelTriggers:
    """What starts trainings of a model.

    Args:
        session: For reading.
        settings: Of the model's newest release.
        now: Unix seconds.
    """
    release_row = settings.release
    past = history.past(session, release_row.model)
    week = [training for training in past if training.started_at > now - WEEK_S]
    policy = settings.policy(TriggerKind.MANUAL)
    memory = session.get(RetrainingRow, release_row.model)
    return ModelTriggers(
        model=release_row.model,
        project=settings.project,
        release=release_row.number,
        triggers=[*_states(session, settings, past, memory, now)],
        runs_in_week=len(week),
        runs_a_week=policy.runs_a_week,
        minutes_in_week=sum(training.compute_minutes for training in week),
        minutes_a_week=policy.compute_minutes_a_week,
        resumed_at=memory.resumed_at if memory else None,
        requests=[request_of(row) for row in history.requests(session, release_row.model)],
    )


def _states(
    session: Session,
    settings: RetrainSettings,
    past: Sequence[PastTraining],
    memory: RetrainingRow | None,
    now: float,
) -> Iterator[TriggerState]:
    sources = (memory.observations if memory else {}).get("sources", {})
    rows = labelled_rows(session, settings)
    for entry in (*settings.all, {"on": "manual"}):
        kind = KIND_OF[entry["on"]]
        would, why, until = _would(settings, entry, past, now, rows)
        requested_at, started = _last(session, settings.release.model, kind)
        problem = sources.get(entry.get("source"), {}).get("problem", "") or _unwatched(settings, entry)
        due = _next_due(entry, now)
        yield TriggerState(entry["on"], dict(entry), would, why, until, requested_at, started, due, problem)


def _next_due(entry: Mapping[str, Any], now: float) -> float | None:
    """When a schedule is due next; None of what waits for no clock."""
    if entry["on"] != "schedule":
        return None
    return Cron.parse(entry["cron"], entry.get("timezone") or "UTC").after(now)


def _would(
    settings: RetrainSettings, entry: Mapping[str, Any], past: Sequence[PastTraining], now: float, rows: int
) -> tuple[TriggerAnswer, str, float | None]:
    kind = KIND_OF[entry["on"]]
    trigger = Trigger(kind, settings.release.model, "now", now, "nothing keeps it")
    match decide(trigger, past, settings.policy(kind, entry), now, rows):
        case Start(reason):
            return "start", reason, None
        case Wait(reason, until):
            return "wait", reason, until
        case refused:
            return "refuse", refused.reason, None


def _last(session: Session, model: str, kind: TriggerKind) -> tuple[float | None, float | None]:
    query = select(func.max(TrainingRequestRow.requested_at), func.max(TrainingRequestRow.started_at)).where(
        TrainingRequestRow.model == model, TrainingRequestRow.kind == kind.value
    )
    requested_at, started = session.execute(query).one()
    return requested_at, started


def _unwatched(settings: RetrainSettings, entry: Mapping[str, Any]) -> str:
    """That a source cannot be looked at cheaply: only those who know tell of it."""
    url = str(settings.release.data.get("sources", {}).get(entry.get("source"), ""))
    if not url or url.startswith(("s3://", "file:///")):
        return ""
    return f"{url} changes with a commit, or is told of by a webhook: it is not looked at"
