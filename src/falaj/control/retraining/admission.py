"""The one door through which trainings start, whatever asks for them.

Every request is a row with its reason: started, waiting or refused, and later how the training ended. The row of the
model is locked while its requests are decided, so that two servers start one run between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from falaj.control.releases.registry import CONTROLLER
from falaj.control.retraining import history
from falaj.control.retraining.history import REFUSED, STARTED, WAITING
from falaj.control.retraining.model_settings import RetrainSettings, retrain_settings_of
from falaj.control.retraining.rows import labelled_rows
from falaj.control.retraining.training_history import PastTraining, TrainingOutcome, Trigger, TriggerError, TriggerKind
from falaj.control.retraining.triggers import Decision, Refuse, Start, Wait, decide
from falaj.control.retraining.windows import TooShort, WindowStrategy, plan_from_mapping, training_window
from falaj.control.runs import queue
from falaj.control.runs.lifecycle import ENDED
from falaj.core.errors import NotFoundError
from falaj.core.ids import new_id
from falaj.storage import ProjectRow, RunRow
from falaj.storage.durable import ProcessTable
from falaj.storage.retraining_tables import RetrainingRow, TrainingRequestRow
from falaj.trust import lineage
from falaj.trust.audit import record

_KINDS: Mapping[str, TriggerKind] = {"performance": TriggerKind.DRIFT, **{kind.value: kind for kind in TriggerKind}}
_MAX_REQUESTS = 200
"""Requests of a model that are kept although they started nothing."""
_MERGED = 50
"""Occasions that a waiting request remembers to have been merged into it."""


@dataclass(frozen=True)
class Requested:
    """What came of a request.

    Attributes:
        id: Of the request.
        state: `started`, `waiting` or `refused`; of one that was made before, how its training ended, too.
        reason: In words.
        run: Id of the run that was started.
        until: When a waiting request is looked at again, unix seconds; None when that depends on what is under way.
    """

    id: str
    state: str
    reason: str
    run: str | None
    until: float | None

    @property
    def started(self) -> bool:
        """Whether there is a run."""
        return self.run is not None


def request_training(
    session: Session,
    processes: ProcessTable,
    model: str,
    cause: Mapping[str, Any],
    now: float,
    *,
    actor: str = CONTROLLER,
    window: Mapping[str, Any] | None = None,
    beyond_budget: bool = False,
) -> Requested:
    """Ask for a training of a model; it starts now, waits for its time, or is refused, and a row says which and why.

    Asking again for the same occasion changes nothing and gives the same answer.

    Args:
        session: The caller's transaction.
        processes: The process table.
        model: To be trained.
        cause: What happened. `kind` is drift, performance, feedback, event, growth, schedule or manual, and `reason`
            says it in words. Also, where known: `alert` (its id), `occasion` (a name that no other occasion has; by
            default made of the alert), `source` (the data source that changed), `at` (when it happened; by default
            now), `since` (event time at which drift is thought to have begun) and `until` (event time of the newest
            rows; by default now), all in unix seconds.
        now: Unix seconds.
        actor: Principal id of who asks.
        window: Which rows to learn from, as `plan_from_mapping` takes it; by default what the project file says.
        beyond_budget: A person who may has said that the budget does not matter.

    Raises:
        NotFoundError: The model has no release that may be served (`retraining.model`).
        TriggerError: The cause says nothing sensible.
        TrainingWindowError: The window says nothing sensible.
    """
    settings = retrain_settings_of(session, model)
    if settings is None:
        raise NotFoundError(
            f"model '{model}' has no release that could be trained again",
            hint="falaj release list lists them",
            code="retraining.model",
        )
    trigger = _trigger(model, cause, now, beyond_budget)
    if window:
        plan_from_mapping(window)
    lock(session, model, settings.project, now)
    history.settle(session, model, now)
    row = _row(session, settings, trigger, cause, window, actor, now)
    if row.state == WAITING:
        _decide_waiting(session, processes, settings, now)
    return Requested(row.id, row.state, row.reason, row.run_id, row.wake_at)


def advance(session: Session, processes: ProcessTable, model: str, now: float) -> None:
    """Write down how trainings of a model have ended, and decide again about what waits.

    Args:
        session: The caller's transaction.
        processes: The process table.
        model: Whose requests.
        now: Unix seconds.
    """
    settings = retrain_settings_of(session, model)
    if settings is None:
        return
    lock(session, model, settings.project, now)
    history.settle(session, model, now)
    _decide_waiting(session, processes, settings, now)


def resume(session: Session, model: str, actor: str, now: float) -> None:
    """A person has looked at why trainings fail or do not help: what ended before does not count any more.

    Raises:
        NotFoundError: The model has no release that may be served (`retraining.model`).
    """
    settings = retrain_settings_of(session, model)
    if settings is None:
        raise NotFoundError(f"model '{model}' has no release that could be trained again", code="retraining.model")
    memory = lock(session, model, settings.project, now)
    memory.resumed_at, memory.resumed_by, memory.updated_at = now, actor, now
    record.write(session, "training.resumed", actor, f"model/{model}", now)


def lock(session: Session, model: str, project: str, now: float) -> RetrainingRow:
    """What is remembered of a model, for this transaction alone until it ends."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    blank = {"model": model, "project": project, "resumed_by": "", "observations": {}, "updated_at": now}
    session.execute(insert(RetrainingRow).values(blank).on_conflict_do_nothing())
    return session.get_one(RetrainingRow, model, with_for_update=True, populate_existing=True)


def _trigger(model: str, cause: Mapping[str, Any], now: float, beyond_budget: bool) -> Trigger:
    kind = _KINDS.get(str(cause.get("kind")))
    reason = str(cause.get("reason") or "").strip()
    if kind is None or not reason:
        raise TriggerError("a request for a training says its kind and its reason", hint=f"kinds: {', '.join(_KINDS)}")
    occasion = str(
        cause.get("occasion") or (f"alert/{cause['alert']}" if cause.get("alert") else f"{kind}/{new_id(now)}")
    )
    if len(occasion) > 200:
        raise TriggerError("the name of an occasion is longer than 200 characters")
    return Trigger(kind, model, occasion, float(cause.get("at") or now), reason[:1000], beyond_budget)


def _row(
    session: Session, settings: RetrainSettings, trigger: Trigger, cause: Mapping[str, Any],
    window: Mapping[str, Any] | None, actor: str, now: float,
) -> TrainingRequestRow:  # fmt: skip
    """The request for this occasion: the one that there is, one that waits for a like reason, or a new one."""
    mine = [TrainingRequestRow.model == trigger.model]
    if existing := _existing_request(session, trigger):
        return existing
    waiting = select(TrainingRequestRow).where(
        *mine, TrainingRequestRow.state == WAITING, TrainingRequestRow.kind == trigger.kind.value
    )
    for row in session.scalars(waiting).all() if trigger.kind is not TriggerKind.MANUAL else ():
        return _merged(row, trigger)
    data = {"asked_window": dict(window)} if window else {}
    row = TrainingRequestRow(
        id=new_id(now), model=trigger.model, project=settings.project, kind=trigger.kind.value,
        occasion=trigger.occasion, attempt=1, times=1, state=WAITING, reason=trigger.reason,
        cause={**cause, "reason": trigger.reason}, actor=actor, at=trigger.at,
        data={**data, **({"beyond_budget": True} if trigger.beyond_budget else {})}, requested_at=now,
    )  # fmt: skip
    session.add(row)
    _forget_old(session, trigger.model)
    about = {"model": trigger.model, **row.cause}
    record.write(session, "training.requested", actor, f"training/{row.id}", now, about)
    return row


def _existing_request(session: Session, trigger: Trigger) -> TrainingRequestRow | None:
    """The request that was made for an occasion, or that it was merged into."""
    mine = select(TrainingRequestRow).where(TrainingRequestRow.model == trigger.model)
    if existing := session.scalar(mine.where(TrainingRequestRow.occasion == trigger.occasion)):
        return existing
    merged = mine.where(TrainingRequestRow.times > 1, TrainingRequestRow.kind == trigger.kind.value)
    rows = session.scalars(merged.order_by(TrainingRequestRow.requested_at.desc()).limit(_MAX_REQUESTS))
    return next((row for row in rows if trigger.occasion in row.data.get("merged", ())), None)


def _merged(row: TrainingRequestRow, trigger: Trigger) -> TrainingRequestRow:
    """A storm is one request that knows how often it was asked for."""
    row.times += 1
    row.at = max(row.at, trigger.at)
    row.data = {**row.data, "merged": [*row.data.get("merged", ()), trigger.occasion][-_MERGED:]}
    return row


def _forget_old(session: Session, model: str) -> None:
    refused = select(TrainingRequestRow.id).where(
        TrainingRequestRow.model == model, TrainingRequestRow.state == REFUSED
    )
    old = session.scalars(refused.order_by(TrainingRequestRow.requested_at.desc()).offset(_MAX_REQUESTS)).all()
    if old:
        session.execute(delete(TrainingRequestRow).where(TrainingRequestRow.id.in_(old)))


def _decide_waiting(session: Session, processes: ProcessTable, settings: RetrainSettings, now: float) -> None:
    """Decide about all that waits, the most urgent first: at most one starts."""
    session.flush()
    model = settings.release.model
    rows = session.scalars(
        select(TrainingRequestRow).where(TrainingRequestRow.model == model, TrainingRequestRow.state == WAITING)
    ).all()
    if not rows:
        return
    trainings, labelled = history.past(session, model), labelled_rows(session, settings)
    busy = _busy(session, settings.project, {row.run_id for row in rows} | _own_runs(session, model))
    for row in sorted(rows, key=lambda each: (TriggerKind(each.kind).urgency, each.at, each.id)):
        decision = _decide(row, settings, trainings, busy, now, labelled)
        if isinstance(decision, Start):
            decision = _start(session, processes, settings, row, now, labelled)
        if isinstance(decision, Start):
            trainings.append(PastTraining(row.occasion, now, None, TrainingOutcome.ACTIVE, rows=labelled))
        _answer(session, row, decision, now)


def _decide(
    row: TrainingRequestRow,
    settings: RetrainSettings,
    trainings: list[PastTraining],
    busy: str | None,
    now: float,
    rows: int,
) -> Decision:
    kind = TriggerKind(row.kind)
    entry = settings.of(kind, row.cause)
    if kind is not TriggerKind.MANUAL and entry is None:
        return Refuse(
            f"the project file of {settings.release.model}@{settings.release.number} asks for no such training"
        )
    ended = [training.compute_minutes for training in trainings if training.ended_at is not None]
    trigger = Trigger(
        kind, row.model, row.occasion, row.at, row.cause["reason"], bool(row.data.get("beyond_budget", False))
    )
    policy = settings.policy(kind, row.cause, ended[0] if ended else 0.0)
    decision = decide(trigger, trainings, policy, now, rows)
    if busy and isinstance(decision, Start):
        return Wait(f"run {busy} of the project is under way", None)
    return decision


def _own_runs(session: Session, model: str) -> set[str | None]:
    return set(session.scalars(select(TrainingRequestRow.run_id).where(
        TrainingRequestRow.model == model, TrainingRequestRow.state == STARTED)))  # fmt: skip


def _busy(session: Session, project: str, own: set[str | None]) -> str | None:
    """A run of the project that something else started: it may make the release that is wanted."""
    query = select(RunRow.id).where(RunRow.project == project, RunRow.state.not_in(list(ENDED)))
    return next((run for run in session.scalars(query) if run not in own), None)


def _start(
    session: Session,
    processes: ProcessTable,
    settings: RetrainSettings,
    row: TrainingRequestRow,
    now: float,
    rows: int,
) -> Decision:
    """Queue the run, unless the window that it is to learn from is too short."""
    kind, cause = TriggerKind(row.kind), row.cause
    plan = settings.plan(kind, cause, row.data.get("asked_window"))
    until = float(cause.get("until") or now)
    since = cause.get("since")
    window = training_window(
        plan, data_from=0.0, drift_at=None if since is None else float(since), label_delay_s=settings.label_delay_s,
        now=until,
    )  # fmt: skip
    if isinstance(window, TooShort):
        grows = plan.strategy is not WindowStrategy.SLIDING
        return Wait(window.reason, now + window.ready_at - until) if grows else Refuse(window.reason)
    parameters = {
        name: value for name, value in window.parameters().items() if name != "train_from" or window.train_from > 0
    }
    row.data = {
        **row.data,
        "rows": rows,
        "window": {"strategy": plan.strategy.value, "reason": window.reason, "parameters": parameters},
    }
    project = session.get_one(ProjectRow, settings.project)
    commit = project.last_commit or settings.release.commit
    order = queue.RunOrder(project.name, commit, trigger=kind.value, occasion=f"training/{row.id}", actor=row.actor)
    run, _ = queue.enqueue(session, processes, order, now)
    row.run_id, row.started_at = run.id, now
    lineage.record(session, _edges(row), now)
    return Start(row.cause["reason"])


def _edges(row: TrainingRequestRow) -> list[lineage.Edge]:
    """Why there is this run: the request, and the alert where one asked."""
    request = lineage.Node("training", row.id)
    edges = [lineage.Edge(lineage.Node("run", str(row.run_id)), lineage.CAUSED_BY, request)]
    if alert := row.cause.get("alert"):
        edges.append(lineage.Edge(request, lineage.CAUSED_BY, lineage.Node("alert", str(alert))))
    return edges


def _answer(session: Session, row: TrainingRequestRow, decision: Decision, now: float) -> None:
    match decision:
        case Start():
            row.state, row.wake_at = STARTED, None
            row.reason = decision.reason
        case Wait():
            row.wake_at, row.reason = decision.until, decision.reason
            return
        case Refuse():
            row.state, row.wake_at, row.reason = REFUSED, None, decision.reason
    details = {"model": row.model, "kind": row.kind, "run": row.run_id, "reason": row.reason, "times": row.times}
    record.write(session, f"training.{row.state}", row.actor, f"training/{row.id}", now, details)
