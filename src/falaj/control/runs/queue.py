"""Putting runs into the queue, and the records of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.releases.registry import CONTROLLER
from falaj.control.runs.lifecycle import ENDED
from falaj.core.errors import NotFoundError
from falaj.core.ids import new_id
from falaj.core.principal import HOME
from falaj.integrations.git import require_commit, require_ref
from falaj.storage import EventRow, ProjectRow, RunRow
from falaj.storage.durable import ProcessEvent, ProcessTable
from falaj.trust import audit


@dataclass(frozen=True)
class RunOrder:
    """A wish for a run.

    Args:
        project: Name of a registered project.
        commit: Full commit id.
        trigger: Why: push, webhook, poll, schedule or manual.
        ref: The branch that moved, when one did.
        params: Overrides, `{step: {parameter: value}}`.
        once: One run a commit, however often it is announced.
        occasion: One run an occasion, such as a tick of a schedule, instead of one a commit.
        actor: Principal id of who wants it; the controller where no request does.
    """

    project: str
    commit: str
    trigger: str
    ref: str | None = None
    params: Mapping[str, Mapping[str, Any]] | None = None
    once: bool = True
    occasion: str | None = None
    actor: str = CONTROLLER


def enqueue(session: Session, table: ProcessTable, order: RunOrder, now: float) -> tuple[RunRow, bool]:
    """Queue a run in the caller's transaction; return it and whether it is new.

    Raises:
        GitInputError: The commit is not a full commit id, or the ref is not one: git never sees either.
        NotFoundError: The project is not registered (`project.unknown`).
    """
    require_commit(order.commit)
    if order.ref is not None:
        require_ref(order.ref)
    project = session.get(ProjectRow, order.project)
    if project is None:
        raise NotFoundError(
            f"no project '{order.project}'", hint="falaj project add NAME registers one", code="project.unknown"
        )
    dedupe = order.occasion or (f"{order.project}/{order.commit}" if order.once else None)
    if dedupe and (existing := session.scalar(select(RunRow).where(RunRow.dedupe == dedupe))):
        return existing, False
    run = RunRow(
        id=new_id(now), project=order.project, commit=order.commit, ref=order.ref, trigger=order.trigger,
        params={step: dict(values) for step, values in (order.params or {}).items()},
        dedupe=dedupe, started_by=_pusher(order), state="queued", reason="", created_at=now,
    )  # fmt: skip
    session.add(run)
    project.last_commit = order.commit
    data = {"run_id": run.id, "commit_status": project.vendor is not None}
    table.start(session, "run", run.id, "queued", data, now)
    record(session, f"run/{run.id}", "run.queued", {"trigger": order.trigger, "commit": order.commit}, now)
    about = {"project": run.project, "commit": run.commit, "ref": run.ref, "trigger": run.trigger}
    audit.write(session, "run.queued", order.actor, f"run/{run.id}", now, about)
    return run, True


def _pusher(order: RunOrder) -> str:
    """Who proved who they are when they announced the commit; the controller and the token of the home are nobody."""
    return order.actor if order.trigger == "push" and order.actor not in (CONTROLLER, HOME) else ""


def cancel(session: Session, table: ProcessTable, run_id: str, actor: str, now: float) -> RunRow:
    """Ask for the end of a run; a run that has ended stays as it is.

    Args:
        session: The caller's transaction.
        table: The process table.
        run_id: As `find` takes it.
        actor: Principal id of who wants it.
        now: Unix seconds.

    Raises:
        NotFoundError: There is no such run.
    """
    run = find(session, run_id)
    if run.state not in ENDED:
        table.send(session, run.id, ProcessEvent("cancel"), now)
        run.state = "cancelling"
        record(session, f"run/{run.id}", "run.cancelling", {}, now)
        audit.write(session, "run.cancelled", actor, f"run/{run.id}", now)
    return run


def find(session: Session, run_id: str) -> RunRow:
    """The run with this id, or with this unique beginning of one; `last` is the newest.

    Raises:
        NotFoundError: None, or more than one, matches (`run.unknown`).
    """
    query = select(RunRow).order_by(RunRow.created_at.desc()).limit(2)
    matches = session.scalars(query if run_id == "last" else query.where(RunRow.id.startswith(run_id, autoescape=True)))
    run_rows = list(matches)
    if run_id != "last" and len(run_rows) == 2 and run_rows[0].id != run_id:
        raise NotFoundError(f"'{run_id}' begins more than one run id", hint="type more of it", code="run.unknown")
    if not run_rows:
        raise NotFoundError(f"no run '{run_id}'", hint="falaj run list lists them", code="run.unknown")
    return run_rows[0]


def record(session: Session, subject: str, kind: str, data: Mapping[str, Any], now: float) -> None:
    """Add an event to the stream in the caller's transaction."""
    session.add(EventRow(at=now, subject=subject, kind=kind, data=dict(data)))
