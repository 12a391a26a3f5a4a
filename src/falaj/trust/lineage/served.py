"""Which release each endpoint served when."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from falaj.storage.lineage_tables import ServedRow


@dataclass(frozen=True)
class Served:
    """A time in which an endpoint served a release at a location.

    Args:
        environment: Where it serves.
        model: The line of releases.
        location: Where.
        release: Its number.
        change_id: The change that brought it; None when nothing recorded one.
        began_at: Unix seconds.
        ended_at: Unix seconds; None while it serves.
    """

    environment: str
    model: str
    location: str
    release: int
    change_id: str | None
    began_at: float
    ended_at: float | None = None


def began(session: Session, served: Served) -> None:
    """Remember that a release serves now; what the endpoint served there before ends, the same release goes on."""
    current = _current(session, served.environment, served.model, served.location)
    if any(row.release == served.release for row in current):
        return
    for row in current:
        row.ended_at = served.began_at
    session.add(ServedRow(**vars(served)))
    session.flush()


def ended(session: Session, environment: str, model: str, location: str, now: float) -> None:
    """Remember that an endpoint serves nothing any more at a location."""
    for row in _current(session, environment, model, location):
        row.ended_at = now


def served_at(session: Session, environment: str, model: str, at: float) -> list[Served]:
    """What an endpoint served at a moment, by location."""
    query = select(ServedRow).where(
        ServedRow.environment == environment,
        ServedRow.model == model,
        ServedRow.began_at <= at,
        or_(ServedRow.ended_at.is_(None), ServedRow.ended_at > at),
    )
    return [_served(row) for row in session.scalars(query.order_by(ServedRow.location, ServedRow.began_at))]


def history(session: Session, environment: str, model: str, limit: int = 50) -> list[Served]:
    """What an endpoint served, the newest first."""
    query = select(ServedRow).where(ServedRow.environment == environment, ServedRow.model == model)
    newest = query.order_by(ServedRow.began_at.desc(), ServedRow.id.desc()).limit(limit)
    return [_served(row) for row in session.scalars(newest)]


def before(session: Session, served: Served, limit: int = 5) -> list[Served]:
    """What an endpoint served at the same location before, the newest first."""
    query = select(ServedRow).where(
        ServedRow.environment == served.environment,
        ServedRow.model == served.model,
        ServedRow.location == served.location,
        ServedRow.began_at < served.began_at,
    )
    return [_served(row) for row in session.scalars(query.order_by(ServedRow.began_at.desc()).limit(limit))]


def _current(session: Session, environment: str, model: str, location: str) -> list[ServedRow]:
    query = select(ServedRow).where(
        ServedRow.environment == environment,
        ServedRow.model == model,
        ServedRow.location == location,
        ServedRow.ended_at.is_(None),
    )
    return list(session.scalars(query))


def _served(row: ServedRow) -> Served:
    return Served(row.environment, row.model, row.location, row.release, row.change_id, row.began_at, row.ended_at)
