"""What people ask for: registered with the time by which it must be answered, and closed with what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.control.compliance.errors import PrivacyStateError, UnknownPrivacyError
from falaj.core.ids import new_id
from falaj.storage.privacy_tables import SubjectRequestRow
from falaj.trust.audit import record

KINDS = ("access", "export", "erasure", "correction", "objection")
OPEN, ERASING, CLOSED = "open", "erasing", "closed"


def receive(session: Session, kind: str, within_s: float, actor: str, now: float, received_at: float) -> str:
    """Register a request; the clock runs from when it came in. Returns its id."""
    row = SubjectRequestRow(
        id=new_id(now), kind=kind, state=OPEN, received_at=received_at, due_at=received_at + within_s, closed_at=None,
        result={},
    )  # fmt: skip
    session.add(row)
    session.flush()
    record.write(session, "subject-request.received", actor, f"subject-request/{row.id}", now, {"kind": kind})
    return row.id


def advance(session: Session, request_id: str, state: str, result: Mapping[str, Any], actor: str, now: float) -> None:
    """Move a request on, and log it; what came of it is counts and digests, and nothing about the person.

    Raises:
        UnknownPrivacyError: There is none of that id.
        PrivacyStateError: It is closed.
    """
    row = find(session, request_id)
    if row.state == CLOSED:
        raise PrivacyStateError(f"request {request_id} is closed")
    row.state, row.result = state, {**row.result, **result}
    row.closed_at = now if state == CLOSED else None
    record.write(session, f"subject-request.{state}", actor, f"subject-request/{request_id}", now, result)


def find(session: Session, request_id: str) -> SubjectRequestRow:
    """A request, locked until the transaction ends.

    Raises:
        UnknownPrivacyError: There is none of that id.
    """
    row = session.get(SubjectRequestRow, request_id, with_for_update=True)
    if row is None:
        raise UnknownPrivacyError(f"there is no request {request_id}", hint="falaj privacy requests lists them")
    return row


def requests(session: Session) -> list[SubjectRequestRow]:
    """All requests, the open ones first, by when they are due."""
    rows = session.scalars(select(SubjectRequestRow).order_by(SubjectRequestRow.due_at))
    return sorted(rows, key=lambda row: row.state == CLOSED)


def overdue(row: SubjectRequestRow, now: float) -> bool:
    """Whether a request should have been answered by now, or was answered late."""
    return (row.closed_at if row.closed_at is not None else now) > row.due_at
