"""Effects that committed transitions asked for: done at least once, in order of asking, with backoff."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.core.transition import Effect
from falaj.storage import Database, OutboxRow

Handler = Callable[[Mapping[str, Any]], None]
_MAX_BACKOFF_S = 300.0
_LEASE_S = 60.0

logger = logging.getLogger(__name__)


class Outbox:
    """Runs the effects whose handlers live in this process.

    Args:
        database: Where the rows live.
        handlers: By effect kind; kinds without one are left for other processes.
    """

    def __init__(self, database: Database, handlers: Mapping[str, Handler]) -> None:
        self._database = database
        self._handlers = handlers

    @staticmethod
    def add(session: Session, effect: Effect, now: float) -> None:
        """Ask for an effect in the caller's transaction; a key that was asked for before is left alone."""
        if session.scalar(select(OutboxRow.id).where(OutboxRow.key == effect.key)) is None:
            session.add(OutboxRow(key=effect.key, effect=effect.kind, data=dict(effect.data), created_at=now))
            session.flush()

    def run_due(self, now: float) -> int:
        """Do every effect that is due; return how many succeeded. A failure is retried later, never lost."""
        task_count = 0
        while (row := self._take(now)) is not None:
            try:
                self._handlers[row.effect](row.data)
            except Exception as error:  # an effect talks to the outside: whatever it raises, it is tried again
                logger.warning("effect failed", extra={"effect": row.effect, "key": row.key, "error": str(error)})
                self._settle(row.id, done_at=None, error=str(error), not_before=now + _backoff(row.attempts))
            else:
                self._settle(row.id, done_at=now, error=None, not_before=0.0)
                task_count += 1
        return task_count

    def _take(self, now: float) -> OutboxRow | None:
        due = (
            select(OutboxRow)
            .where(OutboxRow.done_at.is_(None), OutboxRow.not_before <= now, OutboxRow.effect.in_(self._handlers))
            .order_by(OutboxRow.id)
            .limit(1)
        )
        with self._database.reading() as session:
            if session.scalar(due) is None:
                return None
        with self._database.transaction() as session:
            row = session.scalar(due.with_for_update(skip_locked=True))
            if row is not None:
                row.attempts += 1
                row.not_before = now + _LEASE_S  # if this process dies now, another tries after that
            return row

    def _settle(self, row_id: int, *, done_at: float | None, error: str | None, not_before: float) -> None:
        with self._database.transaction() as session:
            row = session.get_one(OutboxRow, row_id)
            row.done_at, row.last_error, row.not_before = done_at, error, not_before


def _backoff(attempts: int) -> float:
    return min(_MAX_BACKOFF_S, float(2 ** min(attempts, 16)))
