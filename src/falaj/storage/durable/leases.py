"""Claiming, renewing and advancing processes.

A claim is one conditional UPDATE that raises the fencing token. Everything a holder writes later names that token, so a
holder that slept through its lease changes nothing (Kleppmann, "How to do distributed locking", 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.core.errors import ConflictError
from falaj.core.transition import ProcessEvent, Transition, TransitionStep
from falaj.storage import Database, ProcessRow
from falaj.storage.durable.clock import database_now
from falaj.storage.durable.outbox import Outbox


class LeaseLostError(ConflictError):
    """Another worker holds the process now; what was about to be written was not."""

    code = "process.lease-lost"


@dataclass(frozen=True)
class Lease:
    """The right to advance one process until `expires_at`.

    Args:
        process_id: The process.
        owner: Who holds it.
        fence: Token that grows with every claim; stale holders are refused by it.
        expires_at: Unix seconds.
        state: State of the process when it was claimed.
        data: Its data then.
    """

    process_id: str
    owner: str
    fence: int
    expires_at: float
    state: str
    data: Mapping[str, Any]


class ProcessTable:
    """Processes of all kinds, with the transition of each.

    Args:
        database: Where the rows live.
        transitions: The pure transition of every kind.
    """

    def __init__(self, database: Database, transitions: Mapping[str, Transition]) -> None:
        self._database = database
        self._transitions = transitions

    def start(
        self,
        session: Session,
        kind: str,
        process_id: str,
        state: str,
        data: Mapping[str, Any],
        now: float,
        *,
        due: bool = True,
    ) -> None:
        """Add a process in the caller's transaction; it is due at once, or waits for an event."""
        session.add(
            ProcessRow(
                id=process_id,
                kind=kind,
                state=state,
                data=dict(data),
                wake_at=now if due else None,
                created_at=now,
                updated_at=now,
            )
        )

    def claim(self, kind: str, owner: str, lease_s: float, now: float | None = None) -> Lease | None:
        """Take the process of `kind` that has waited longest and is due, or None.

        Args:
            kind: The kind to look for.
            owner: Name of the claimer.
            lease_s: For how many seconds it may hold the process without renewing.
            now: Unix seconds; those of the database by default, which are one for holders on several machines.
        """
        with self._database.reading() as session:
            if session.scalar(_due(kind, _now(session, now))) is None:
                return None  # no write lock is taken while there is nothing to do
        with self._database.transaction() as session:
            at = _now(session, now)
            row = session.scalar(_due(kind, at).with_for_update(skip_locked=True))
            if row is None:
                return None
            row.lease_owner, row.lease_expires_at, row.fence = owner, at + lease_s, row.fence + 1
            return Lease(row.id, owner, row.fence, row.lease_expires_at, row.state, row.data)

    def renew(self, lease: Lease, lease_s: float, now: float | None = None) -> str:
        """Hold the process for another `lease_s` seconds; return its state, which others may have changed.

        Raises:
            LeaseLostError: The lease ran out and another worker has claimed the process.
        """
        with self._database.transaction() as session:
            row = self._leased_row(session, lease)
            row.lease_expires_at = _now(session, now) + lease_s
            return row.state

    def advance(self, session: Session, lease: Lease, event: ProcessEvent, now: float) -> TransitionStep:
        """Apply an event as the holder of the lease, in the caller's transaction, and give the lease back.

        Raises:
            LeaseLostError: Another worker has claimed the process.
            IllegalTransitionError: The event means nothing in this state.
        """
        row = self._leased_row(session, lease)
        row.lease_owner, row.lease_expires_at = None, 0.0
        return self._apply(session, row, event, now)

    def give_back(self, session: Session, lease: Lease) -> None:
        """Give a lease back in the caller's transaction, which decides by `send` what comes next.

        Raises:
            LeaseLostError: Another worker has claimed the process.
        """
        row = self._leased_row(session, lease)
        row.lease_owner, row.lease_expires_at = None, 0.0

    def send(self, session: Session, process_id: str, event: ProcessEvent, now: float) -> TransitionStep | None:
        """Apply an event from outside, whoever holds the lease; None when there is no such process."""
        row = session.get(ProcessRow, process_id, with_for_update=True)
        return None if row is None else self._apply(session, row, event, now)

    def release_gone(self, prefix: str, is_gone: Callable[[str], bool]) -> int:
        """Give back every lease of an owner that has ended; return how many there were.

        Args:
            prefix: What the names of the owners begin with of which this machine can tell.
            is_gone: Tells of an owner whether it has ended.
        """
        leases = select(ProcessRow).where(ProcessRow.lease_owner.startswith(prefix, autoescape=True))
        with self._database.transaction() as session:
            gone = [row for row in session.scalars(leases.with_for_update()) if is_gone(row.lease_owner or "")]
            for row in gone:
                row.lease_owner, row.lease_expires_at = None, 0.0
            return len(gone)

    def _leased_row(self, session: Session, lease: Lease) -> ProcessRow:
        row = session.get(ProcessRow, lease.process_id, with_for_update=True)
        if row is None or row.fence != lease.fence or row.lease_owner != lease.owner:
            raise LeaseLostError(f"the lease on {lease.process_id} was lost", hint="another worker continues it")
        return row

    def _apply(self, session: Session, row: ProcessRow, event: ProcessEvent, now: float) -> TransitionStep:
        step = self._transitions[row.kind](row.state, row.data, event, now)
        row.state, row.wake_at, row.updated_at = step.state, step.wake_at, now
        if step.data is not None:
            row.data = dict(step.data)
        for effect in step.effects:
            Outbox.add(session, effect, now)
        return step


def _due(kind: str, now: float) -> Select[ProcessRow]:
    """The process of a kind that has waited longest and nobody holds."""
    due = (ProcessRow.kind == kind, ProcessRow.wake_at <= now, ProcessRow.lease_expires_at <= now)
    return select(ProcessRow).where(*due).order_by(ProcessRow.wake_at).limit(1)


def _now(session: Session, now: float | None) -> float:
    return database_now(session) if now is None else now
