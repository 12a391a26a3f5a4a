"""Attempts to prove a name. Each is counted before it is judged, so that many at once gain nothing.

Names without an account are counted too: how the platform answers does not tell which names exist.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from falaj.storage.identity_tables import AccountRow, AttemptRow
from falaj.trust.identity.audit_entries import note
from falaj.trust.identity.backoff import FORGET_S, FREE_FAILURES, after_failure, wait_s
from falaj.trust.identity.errors import TooManyAttemptsError

_UNKNOWN = "user:unknown"


def begin_attempt(session: Session, account: str, now: float) -> None:
    """Count an attempt as failed until `clear_attempts` says otherwise; commit it before the proof is judged.

    Args:
        session: Transaction to write in.
        account: Principal id made of the name that was given, whether it has an account or not.
        now: Unix seconds.

    Raises:
        TooManyAttemptsError: The name must wait; this attempt is not counted.
    """
    row = _row(session, _digest(account), now)
    if (pause_s := wait_s(row.failures, row.last_at, now)) > 0:
        raise TooManyAttemptsError(pause_s)
    row.failures, row.last_at = after_failure(row.failures, row.last_at, now), now
    if row.failures >= FREE_FAILURES:
        account_exists = session.get(AccountRow, account) is not None
        named = account if account_exists else _UNKNOWN  # people type passwords where a name belongs
        note(session, "session.refused", _UNKNOWN, named, now, {"failures": row.failures}, outcome="denied")
    session.flush()


def clear_attempts(session: Session, account: str) -> None:
    """Forget the failures of a name that has been proved."""
    session.execute(delete(AttemptRow).where(AttemptRow.name_digest == _digest(account)))


def _row(session: Session, digest: str, now: float) -> AttemptRow:
    """The row of a name, held until the transaction ends; made when it is new, and old ones of others dropped."""
    session.execute(delete(AttemptRow).where(AttemptRow.last_at < now - FORGET_S, AttemptRow.name_digest != digest))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    fresh = insert(AttemptRow).values(name_digest=digest, failures=0, last_at=now)
    session.execute(fresh.on_conflict_do_nothing())
    return session.scalars(select(AttemptRow).where(AttemptRow.name_digest == digest).with_for_update()).one()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
