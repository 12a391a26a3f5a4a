"""The tables of notifications: events that are still to be offered, and what became of each at each subscriber."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Index, String, event, insert
from sqlalchemy.orm import Mapped, mapped_column

from falaj.schemas.notifications import leaves
from falaj.storage.tables import BIG_KEY, Base, EventRow


class AnnouncementRow(Base):
    """An event that is still to be offered to subscribers; it is committed with the event, or not at all."""

    __tablename__ = "announcements"
    event_id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=False)


class NotificationRow(Base):
    """An event on its way to a subscriber, taken by it, or given up. `round` is one more each time it is sent again."""

    __tablename__ = "notifications"
    __table_args__ = (Index("notifications_by_subscriber", "subscriber", "state", "event_id"),)
    event_id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=False)
    subscriber: Mapped[str] = mapped_column(String(12), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    round: Mapped[int] = mapped_column(default=1)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[float]
    updated_at: Mapped[float]


@event.listens_for(EventRow, "after_insert")
def _announce(_mapper: Any, connection: Connection, row: EventRow) -> None:
    """Remember an event for subscribers wherever it is written, so that no room can forget to."""
    if leaves(row.kind):
        connection.execute(insert(AnnouncementRow).values(event_id=row.id))
