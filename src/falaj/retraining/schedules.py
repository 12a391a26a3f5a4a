"""Trainings that the project file asks for by the clock.

What the newest release of a model was built with says when it wants to be trained again. A tick is a run: the run's
name of the occasion is unique, so nothing else has to be remembered, and a tick is never trained twice. After a time in
which nobody looked, the last tick alone is made up for: an older one would train the same model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from falaj.processes import ProcessTable
from falaj.project.cron import Cron
from falaj.release.states import WITHDRAWN
from falaj.runs import queue
from falaj.runs.lifecycle import ENDED
from falaj.storage import ProjectRow, ReleaseRow, RunRow


def start_due(session: Session, table: ProcessTable, now: float) -> list[RunRow]:
    """Queue a run of every schedule that has become due since its release was made.

    A project whose run has not ended waits: the run that is under way may make the release that is due.

    Args:
        session: The caller's transaction.
        table: The process table.
        now: Unix seconds.

    Returns:
        The new runs.
    """
    return [run for order in _due(session, now) if (run := _queued(session, table, order, now))]


def _due(session: Session, now: float) -> Iterator[queue.RunOrder]:
    for release in _newest_releases(session):
        for wish in release.data.get("retrain", ()):
            if wish["on"] != "schedule":
                continue
            due = Cron.parse(wish["cron"], wish.get("timezone") or "UTC").before(now)
            project = session.get_one(ProjectRow, release.project)
            if due > release.created_at:
                occasion = _occasion(release, wish, due)
                commit = project.last_commit or release.commit
                yield queue.RunOrder(project.name, commit, trigger="schedule", occasion=occasion)


def _queued(session: Session, table: ProcessTable, order: queue.RunOrder, now: float) -> RunRow | None:
    """The new run, or None when the tick has its run or the project is busy."""
    busy = select(RunRow.id).where(RunRow.project == order.project, RunRow.state.not_in(list(ENDED)))
    if session.scalar(busy.limit(1)):
        return None
    run, created = queue.enqueue(session, table, order, now)
    return run if created else None


def _newest_releases(session: Session) -> list[ReleaseRow]:
    newest = select(ReleaseRow.model, func.max(ReleaseRow.number)).group_by(ReleaseRow.model)
    rows = session.scalars(select(ReleaseRow).where(tuple_(ReleaseRow.model, ReleaseRow.number).in_(newest)))
    return [row for row in rows if row.state not in WITHDRAWN]


def _occasion(release: ReleaseRow, wish: Mapping[str, Any], due: float) -> str:
    """A name for one tick, short however long the line is."""
    schedule = f"{release.model}\n{wish['cron']}\n{wish.get('timezone')}"
    return f"schedule/{sha256(schedule.encode()).hexdigest()[:32]}/{due:.0f}"
