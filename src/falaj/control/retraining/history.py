"""Requests for trainings as the decision sees them, and what became of those that were started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from falaj.control.releases.registry import CONTROLLER
from falaj.control.retraining.training_history import PastTraining, TrainingOutcome, TriggerKind
from falaj.control.runs.lifecycle import ENDED, RunState
from falaj.core.ids import new_id
from falaj.storage import ReleaseRow, RunRow
from falaj.storage.monitoring_tables import AlertNoteRow, AlertRow
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow
from falaj.trust.audit import record

WAITING, STARTED, REFUSED = "waiting", "started", "refused"
_RETRIED = (TriggerKind.DRIFT, TriggerKind.FEEDBACK, TriggerKind.EVENT, TriggerKind.GROWTH)
"""Kinds whose reason is still there after a training that broke. A schedule ticks again, and a person asks again."""
_LOOKED_AT = 50
"""Trainings that a decision looks at: budgets reach back seven days, failures in a row a few trainings."""


def past(session: Session, model: str) -> list[PastTraining]:
    """The last trainings of a model that a request has started, those under way too."""
    memory = session.get(RetrainingRow, model)
    resumed_at = (memory.resumed_at if memory else None) or 0.0
    query = select(TrainingRequestRow).where(
        TrainingRequestRow.model == model, TrainingRequestRow.started_at.is_not(None)
    )
    rows = session.scalars(query.order_by(TrainingRequestRow.started_at.desc()).limit(_LOOKED_AT))
    return [_past(row, resumed_at) for row in rows]


def _past(row: TrainingRequestRow, resumed_at: float) -> PastTraining:
    assert row.started_at is not None
    outcome = TrainingOutcome.ACTIVE if row.state == STARTED else TrainingOutcome(row.state)
    minutes, rows = float(row.data.get("minutes", 0.0)), int(row.data.get("rows", 0))
    return PastTraining(row.occasion, row.started_at, row.ended_at, outcome, minutes, row.started_at < resumed_at, rows)


def models_to_advance(session: Session, now: float) -> list[str]:
    """Models of which a training has ended that was not settled yet, or a waiting request could be decided otherwise.

    While a run is under way nothing can change for those that wait for its end, so that they cost nothing.
    """
    request, run = TrainingRequestRow, RunRow
    ended = select(request.model).join(run, run.id == request.run_id).where(
        request.state == STARTED, run.state.in_(list(ENDED))
    )  # fmt: skip
    busy = exists().where(run.project == request.project, run.state.not_in(list(ENDED)))
    free = request.wake_at.is_(None) & ~busy
    waiting = select(request.model).where(request.state == WAITING, (request.wake_at <= now) | free)
    return sorted({*session.scalars(ended), *session.scalars(waiting)})


def settle(session: Session, model: str, now: float) -> None:
    """Write down how the trainings of a model have ended; one that broke is asked for again."""
    started = select(TrainingRequestRow).where(TrainingRequestRow.model == model, TrainingRequestRow.state == STARTED)
    for row in session.scalars(started).all():
        run = session.get(RunRow, row.run_id)
        if run is not None and run.state in ENDED:
            _settle(session, row, run, now)


def _settle(session: Session, row: TrainingRequestRow, run: RunRow, now: float) -> None:
    release_row = session.get(ReleaseRow, (run.model, run.release)) if run.model and run.release else None
    verdict: Mapping[str, Any] = release_row.data.get("retraining") or {} if release_row else {}
    outcome, reason = _how_it_ended(TriggerKind(row.kind), run, release_row, verdict)
    row.state, row.reason = outcome.value, reason
    row.ended_at = run.ended_at or now
    minutes = max(0.0, row.ended_at - (run.started_at or row.ended_at)) / 60
    row.data = {**row.data, "minutes": minutes, "verdict": dict(verdict), "release": run.release}
    details = {"model": row.model, "run": run.id, "outcome": outcome.value, "reason": reason, **row.cause}
    _tell_alert(session, row, now)
    record.write(session, "training.ended", CONTROLLER, f"training/{row.id}", now, details)
    if outcome is TrainingOutcome.FAILED and run.state == RunState.FAILED and TriggerKind(row.kind) in _RETRIED:
        _again(session, row, now)


def _tell_alert(session: Session, row: TrainingRequestRow, now: float) -> None:
    """Say at the alert that asked for a training whether it helped, and why not."""
    alert = session.get(AlertRow, str(row.cause.get("alert") or ""))
    if alert is None:
        return
    release_name = f"{row.model}@{row.data['release']}" if row.data.get("release") else "no release"
    words = {
        TrainingOutcome.WON: f"the retraining made {release_name}: {row.reason}",
        TrainingOutcome.LOST: f"retraining did not help ({release_name}): {row.reason}",
    }.get(TrainingOutcome(row.state), f"the retraining broke: {row.reason}")
    session.add(AlertNoteRow(alert=alert.id, at=now, by=CONTROLLER, kind="retraining", text=words))


def _how_it_ended(
    kind: TriggerKind, run: RunRow, release_row: ReleaseRow | None, verdict: Mapping[str, Any]
) -> tuple[TrainingOutcome, str]:
    match RunState(run.state):
        case RunState.SUCCEEDED if release_row is None and run.reason:
            hoped = kind in (TriggerKind.DRIFT, TriggerKind.FEEDBACK)
            return TrainingOutcome.LOST if hoped else TrainingOutcome.UNCHANGED, run.reason
        case RunState.SUCCEEDED:
            won = bool(verdict.get("wins", True))
            return TrainingOutcome.WON if won else TrainingOutcome.LOST, str(verdict.get("reason", ""))
        case RunState.REJECTED:
            return TrainingOutcome.LOST, run.reason
        case _:
            return TrainingOutcome.FAILED, run.reason


def _again(session: Session, row: TrainingRequestRow, now: float) -> None:
    """Ask once more; the decision makes it wait, longer after each failure, and in the end refuses."""
    first, attempt = row.occasion.rpartition("#")[0] or row.occasion, row.attempt + 1
    carried_data = {name: row.data[name] for name in ("asked_window",) if name in row.data}
    session.add(
        TrainingRequestRow(
            id=new_id(now), model=row.model, project=row.project, kind=row.kind, occasion=f"{first}#{attempt}",
            attempt=attempt, times=row.times, state=WAITING, reason=f"again, after: {row.reason}", cause=row.cause,
            actor=row.actor, at=now, data=carried_data, requested_at=now,
        )
    )  # fmt: skip


def requests(session: Session, model: str, limit: int = 20) -> Sequence[TrainingRequestRow]:
    """The last requests for trainings of a model, the newest first."""
    query = select(TrainingRequestRow).where(TrainingRequestRow.model == model)
    return session.scalars(
        query.order_by(TrainingRequestRow.requested_at.desc(), TrainingRequestRow.id.desc()).limit(limit)
    ).all()
