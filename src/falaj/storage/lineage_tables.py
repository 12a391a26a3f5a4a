"""The tables of lineage: what came from what, and what served when."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import BIG_KEY, Base


class LineageEdgeRow(Base):
    """One thing that came from another; nodes are `kind:name`."""

    __tablename__ = "lineage_edges"
    __table_args__ = (Index("lineage_by_origin", "origin", "derived"),)
    derived: Mapped[str] = mapped_column(String(300), primary_key=True)
    origin: Mapped[str] = mapped_column(String(300), primary_key=True)
    relation: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[float]


class ServedRow(Base):
    """A time in which an endpoint served a release at a location; `ended_at` is None while it does."""

    __tablename__ = "served"
    __table_args__ = (Index("served_by_endpoint", "environment", "model", "began_at"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    environment: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(200))
    location: Mapped[str] = mapped_column(String(100))
    release: Mapped[int]
    change_id: Mapped[str | None] = mapped_column(String(40))
    began_at: Mapped[float]
    ended_at: Mapped[float | None]
