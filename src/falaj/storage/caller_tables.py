"""The table of who may ask which endpoint."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base


class CallerRow(SealedRow, Base):
    """A caller of an endpoint: its id is the pseudonym in tokens, certificates and logs; out since `ended_at`.

    `kind` is `token` or `certificate`. No credential is kept here, nor what one could be made of.
    """

    __tablename__ = "endpoint_callers"
    permanent = True
    __table_args__ = (Index("endpoint_callers_by_endpoint", "model", "environment", "created_at", "id"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[float]
    ended_at: Mapped[float | None]
    ended_by: Mapped[str | None] = mapped_column(String(200))
