"""Who is told of what, and what did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.config.notifications import NotificationSpec
from falaj.integrations.notifications.delivery_log import DELIVERED, FAILED, WAITING
from falaj.schemas.notifications import FailedNotification, Subscriber
from falaj.storage import EventRow
from falaj.storage.notification_tables import NotificationRow

_MOST_FAILURES = 50


def overview(session: Session, subscribers: Sequence[NotificationSpec]) -> list[Subscriber]:
    """The subscribers of the settings in force, then those of before with events that did not arrive."""
    failed = select(NotificationRow.subscriber).where(NotificationRow.state == FAILED).distinct()
    by_id = {each.id: each for each in subscribers}
    others = sorted(set(session.scalars(failed)) - by_id.keys())
    return [_subscriber(session, name, by_id.get(name)) for name in (*by_id, *others)]


def _subscriber(session: Session, name: str, spec: NotificationSpec | None) -> Subscriber:
    mine = NotificationRow.subscriber == name
    states = select(NotificationRow.state, func.count()).where(mine).group_by(NotificationRow.state)
    counts: dict[str, int] = dict(session.execute(states).all())
    last = select(func.max(NotificationRow.updated_at)).where(mine, NotificationRow.state == DELIVERED)
    wrong = select(NotificationRow.last_error).where(mine, NotificationRow.last_error != "")
    return Subscriber(
        id=name,
        url="" if spec is None else _without_query(spec.url) or spec.name,
        events=[] if spec is None else [*spec.events],
        delivered=counts.get(DELIVERED, 0),
        waiting=counts.get(WAITING, 0),
        failed=counts.get(FAILED, 0),
        last_delivery=session.scalar(last),
        last_error=session.scalar(wrong.order_by(NotificationRow.updated_at.desc()).limit(1)) or "",
        failures=_failures(session, name),
    )


def _failures(session: Session, subscriber: str) -> list[FailedNotification]:
    query = (
        select(NotificationRow, EventRow)
        .join(EventRow, EventRow.id == NotificationRow.event_id)
        .where(NotificationRow.subscriber == subscriber, NotificationRow.state == FAILED)
        .order_by(NotificationRow.event_id.desc())
        .limit(_MOST_FAILURES)
    )
    return [
        FailedNotification(event.id, event.kind, event.subject, row.attempts, row.last_error, row.updated_at)
        for row, event in session.execute(query)
    ]


def _without_query(url: str) -> str:
    """An address as it may be shown: its query may be what lets a caller in."""
    if not url:
        return ""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "..." if parts.query else "", ""))
