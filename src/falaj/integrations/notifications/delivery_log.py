"""The rows of notifications: offered to subscribers once, and kept with what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.notifications import NotificationSpec
from falaj.integrations.notifications.cloud_event import Happened
from falaj.integrations.notifications.errors import UnknownSubscriberError
from falaj.storage import EventRow
from falaj.storage.durable import Effect, Outbox
from falaj.storage.notification_tables import AnnouncementRow, NotificationRow

WAITING, DELIVERED, FAILED, WITHDRAWN = "waiting", "delivered", "failed", "withdrawn"
_AT_ONCE = 200
_MOST_ERROR = 300


def effect_of(subscriber: str) -> str:
    """The outbox's kind of effect for a subscriber: each has its own, so that none waits for another."""
    return f"notify/{subscriber}"


def unannounced(session: Session) -> bool:
    """Whether there are events that were not offered to subscribers yet."""
    return session.scalar(select(AnnouncementRow.event_id).limit(1)) is not None


def announce(session: Session, subscribers: Sequence[NotificationSpec], now: float) -> int:
    """Offer events to subscribers, the oldest first; return how many events were looked at.

    That an event was offered is committed with the effects that deliver it, so each is offered once and none is missed,
    whichever transaction was committed first.

    Args:
        session: The transaction.
        subscribers: Those of the settings in force.
        now: Unix seconds.
    """
    query = select(AnnouncementRow).order_by(AnnouncementRow.event_id).limit(_AT_ONCE)
    batch = session.scalars(query.with_for_update(skip_locked=True)).all()
    events = select(EventRow.id, EventRow.kind).where(EventRow.id.in_([each.event_id for each in batch]))
    kinds: dict[int, str] = dict(session.execute(events).all())
    for row in batch:
        for each in subscribers:
            if row.event_id in kinds and each.wants(kinds[row.event_id]):
                _offer(session, row.event_id, each.id, now)
        session.delete(row)
    return len(batch)


def _offer(session: Session, event_id: int, subscriber: str, now: float) -> None:
    row = NotificationRow(
        event_id=event_id, subscriber=subscriber, state=WAITING, round=1, attempts=0, last_error="", created_at=now,
        updated_at=now,
    )  # fmt: skip
    session.add(row)
    _send(session, row, now)


def _send(session: Session, row: NotificationRow, now: float) -> None:
    key = f"notify/{row.subscriber}/{row.event_id}/{row.round}"
    data = {"event": row.event_id, "subscriber": row.subscriber}
    Outbox.add(session, Effect(effect_of(row.subscriber), key, data), now)


def waiting(session: Session) -> list[str]:
    """The subscribers to which something is on its way."""
    query = select(NotificationRow.subscriber).where(NotificationRow.state == WAITING).distinct()
    return sorted(session.scalars(query))


def happened(session: Session, event_id: int) -> Happened:
    """An event of the stream."""
    row = session.get_one(EventRow, event_id)
    return Happened(row.id, row.kind, row.subject, row.at, row.data)


def settle(session: Session, event_id: int, subscriber: str, state: str, error: str, now: float) -> NotificationRow:
    """Write down what became of an attempt.

    Args:
        session: The transaction.
        event_id: Of what was sent.
        subscriber: To whom.
        state: In which state it is now.
        error: What went wrong; empty when nothing did.
        now: Unix seconds.
    """
    row = session.get_one(NotificationRow, (event_id, subscriber), with_for_update=True)
    row.state, row.last_error, row.updated_at = state, error[:_MOST_ERROR], now
    row.attempts += state != WITHDRAWN
    return row


def resend(session: Session, subscriber: str, event_id: int | None, now: float) -> int:
    """Send what was given up again; return how many events that are.

    Args:
        session: The transaction.
        subscriber: To whom.
        event_id: This event alone; None for all.
        now: Unix seconds.

    Raises:
        UnknownSubscriberError: Nothing was ever sent to it.
    """
    mine = select(NotificationRow).where(NotificationRow.subscriber == subscriber)
    if session.scalar(mine.limit(1)) is None:
        raise UnknownSubscriberError(
            f"nothing was sent to a subscriber {subscriber!r}", hint="falaj platform notification list"
        )
    query = mine.where(NotificationRow.state == FAILED).order_by(NotificationRow.event_id).with_for_update()
    rows = session.scalars(query if event_id is None else query.where(NotificationRow.event_id == event_id)).all()
    for row in rows:
        row.state, row.round, row.attempts, row.updated_at = WAITING, row.round + 1, 0, now
        _send(session, row, now)
    return len(rows)
