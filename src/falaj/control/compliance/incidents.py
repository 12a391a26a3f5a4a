"""Breaches: opened when they are learned of, notified within the time that the pack gives, and closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.compliance.errors import BadRecordError, PrivacyStateError, UnknownPrivacyError
from falaj.core.ids import new_id
from falaj.storage import EventRow
from falaj.storage.privacy_tables import IncidentRow
from falaj.trust.audit import record

OPEN, NOTIFIED, CLOSED = "open", "notified", "closed"


@dataclass(frozen=True)
class Breach:
    """What is known of a breach when it is opened.

    Args:
        title: One line, without personal data.
        learned_at: When the organisation learned of it, unix seconds.
        data: What else is known: `description`, `projects`, `regimes`.
    """

    title: str
    learned_at: float
    data: dict[str, Any] = field(default_factory=dict)


def open_incident(session: Session, breach: Breach, within_s: float, actor: str, now: float) -> IncidentRow:
    """Open an incident; the clock runs from when it was learned of.

    Args:
        session: A transaction.
        breach: What is known.
        within_s: Seconds until it must be notified.
        actor: Principal id of who opens it.
        now: Unix seconds.

    Raises:
        BadRecordError: It is dated in the future.
    """
    if breach.learned_at > now:
        raise BadRecordError("a breach is not learned of in the future", hint="--learned-at")
    row = IncidentRow(
        id=new_id(now), title=breach.title, state=OPEN, learned_at=breach.learned_at,
        notify_by=breach.learned_at + within_s, notified_at=None, closed_at=None, data=dict(breach.data),
    )  # fmt: skip
    session.add(row)
    _tell(session, row, "opened", actor, {"notify_by": row.notify_by, "learned_at": row.learned_at}, now)
    return row


def notify(session: Session, incident_id: str, whom: str, actor: str, now: float) -> IncidentRow:
    """Note that whoever must hear of an incident was notified; a further notification keeps the first one's time."""
    row = _require_incident(session, incident_id)
    if row.state == CLOSED:
        raise PrivacyStateError(f"incident {incident_id} is closed")
    row.state, row.notified_at = NOTIFIED, row.notified_at or now
    row.data = {**row.data, "notified": [*row.data.get("notified", []), {"whom": whom, "at": now}]}
    _tell(session, row, "notified", actor, {"whom": whom, "late": now > row.notify_by}, now)
    return row


def close(session: Session, incident_id: str, findings: str, actor: str, now: float) -> IncidentRow:
    """End an incident with what was found out.

    Raises:
        PrivacyStateError: It is closed, or nobody was notified yet; one that need not be notified says so by `whom`.
    """
    row = _require_incident(session, incident_id)
    if row.state != NOTIFIED:
        hint = "" if row.state == CLOSED else "falaj privacy breach notify first, even if it is `none required`"
        raise PrivacyStateError(f"incident {incident_id} is {row.state}", hint=hint)
    row.state, row.closed_at, row.data = CLOSED, now, {**row.data, "findings": findings}
    _tell(session, row, "closed", actor, {}, now)
    return row


def incidents(session: Session) -> list[IncidentRow]:
    """All incidents, those that are not closed first, by when they must be notified."""
    rows = session.scalars(select(IncidentRow).order_by(IncidentRow.notify_by))
    return sorted(rows, key=lambda row: row.state == CLOSED)


def overdue(row: IncidentRow, now: float) -> bool:
    """Whether an incident should have been notified by now, or was notified late."""
    return (row.notified_at if row.notified_at is not None else now) > row.notify_by


def _require_incident(session: Session, incident_id: str) -> IncidentRow:
    row = session.get(IncidentRow, incident_id, with_for_update=True)
    if row is None:
        raise UnknownPrivacyError(f"there is no incident {incident_id}", hint="falaj privacy breach list")
    return row


def _tell(session: Session, row: IncidentRow, what: str, actor: str, details: dict[str, Any], now: float) -> None:
    subject = f"incident/{row.id}"
    record.write(session, f"incident.{what}", actor, subject, now, details)
    session.add(EventRow(at=now, subject=subject, kind=f"incident.{what}", data={"title": row.title, **details}))
