"""What would start a training of a model now, when it last did, and what is left of the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.control.retraining import history
from falaj.control.retraining.rows import labelled_rows
from falaj.control.retraining.trainings import WEEK_S, PastTraining, Trigger, TriggerKind
from falaj.control.retraining.triggers import Start, Wait, decide
from falaj.control.retraining.wishes import KIND_OF, Wishes
from falaj.schemas.retraining import ModelTriggers, TriggerState, request_of
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow


def overview(session: Session, wishes: Wishes, now: float) -> ModelTriggers:
    """What starts trainings of a model.

    Args:
        session: For reading.
        wishes: Of the model's newest release.
        now: Unix seconds.
    """
    made = wishes.release
    past = history.past(session, made.model)
    week = [training for training in past if training.started_at > now - WEEK_S]
    policy = wishes.policy(TriggerKind.MANUAL)
    memory = session.get(RetrainingRow, made.model)
    return ModelTriggers(
        model=made.model,
        project=wishes.project,
        release=made.number,
        triggers=[*_states(session, wishes, past, memory, now)],
        runs_in_week=len(week),
        runs_a_week=policy.runs_a_week,
        minutes_in_week=sum(training.compute_minutes for training in week),
        minutes_a_week=policy.compute_minutes_a_week,
        resumed_at=memory.resumed_at if memory else None,
        requests=[request_of(row) for row in history.requests(session, made.model)],
    )


def _states(
    session: Session, wishes: Wishes, past: Sequence[PastTraining], memory: RetrainingRow | None, now: float
) -> Iterator[TriggerState]:
    sources = (memory.seen if memory else {}).get("sources", {})
    rows = labelled_rows(session, wishes)
    for wish in (*wishes.all, {"on": "manual"}):
        kind = KIND_OF[wish["on"]]
        would, why, until = _would(wishes, wish, past, now, rows)
        asked, started = _last(session, wishes.release.model, kind)
        problem = sources.get(wish.get("source"), {}).get("problem", "") or _unwatched(wishes, wish)
        yield TriggerState(wish["on"], dict(wish), would, why, until, asked, started, problem)


def _would(
    wishes: Wishes, wish: Mapping[str, Any], past: Sequence[PastTraining], now: float, rows: int
) -> tuple[str, str, float | None]:
    kind = KIND_OF[wish["on"]]
    trigger = Trigger(kind, wishes.release.model, "now", now, "nothing keeps it")
    match decide(trigger, past, wishes.policy(kind, wish), now, rows):
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
    asked, started = session.execute(query).one()
    return asked, started


def _unwatched(wishes: Wishes, wish: Mapping[str, Any]) -> str:
    """That a source cannot be looked at cheaply: only those who know tell of it."""
    url = str(wishes.release.data.get("sources", {}).get(wish.get("source"), ""))
    if not url or url.startswith(("s3://", "file:///")):
        return ""
    return f"{url} changes with a commit, or is told of by a webhook: it is not looked at"
