"""Entries that wait for the end of their transaction.

Whoever appends holds the log's head until its transaction ends, and everybody else who appends waits for that. One that
took the head early and other rows after it would let all of them wait for its work, and could wait itself for a row of
one that waits for the head. So entries are written when everything else is: the head is the last lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from falaj.storage.sealed import made_facts
from falaj.trust.audit import log
from falaj.trust.audit.log import AuditEntry

_WAITING = "falaj.audit.waiting"


@dataclass(frozen=True)
class _Waiting:
    entry: AuditEntry
    now: float
    savepoint: SessionTransaction | None


def defer(session: Session, entries: Sequence[AuditEntry], now: float) -> None:
    """Let entries be appended at the end of the transaction, which fails if they cannot be.

    Those of a savepoint that is rolled back are dropped with it.

    Args:
        session: The transaction of what is recorded.
        entries: In the order in which they are to stand.
        now: Unix seconds.
    """
    if _WAITING not in session.info:
        session.info[_WAITING] = []
        event.listen(session, "before_commit", _commit)
        event.listen(session, "after_soft_rollback", _drop)
    savepoint = session.get_nested_transaction()
    session.info[_WAITING] += [_Waiting(entry, now, savepoint) for entry in entries]


def write(session: Session) -> None:
    """Append now what waits, because a checkpoint is to cover it; not inside a savepoint, which could undo it."""
    if session.in_nested_transaction():
        raise RuntimeError("a savepoint could undo entries that are not its own")
    waiting: list[_Waiting] = session.info.get(_WAITING, [])
    session.flush()
    if waiting and (facts := made_facts(session)):
        last = waiting[-1]
        waiting[-1] = replace(last, entry=replace(last.entry, facts=facts))
    moment: Callable[[_Waiting], float] = lambda each: each.now  # noqa: E731 - a key, typed
    for now, group in groupby(waiting, moment):
        log.append(session, [each.entry for each in group], now)
    waiting.clear()


def _commit(session: Session) -> None:
    if not session.in_nested_transaction():
        write(session)


def _drop(session: Session, ended: SessionTransaction) -> None:
    session.info[_WAITING][:] = [each for each in session.info[_WAITING] if not _inside(each.savepoint, ended)]


def _inside(savepoint: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while savepoint is not None and savepoint is not ended:
        savepoint = savepoint.parent
    return savepoint is ended or not ended.nested
