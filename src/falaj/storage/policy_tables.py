"""The table of role bindings. The organisation's own policies are part of the platform's settings."""

from __future__ import annotations

import secrets

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base


class RoleBindingRow(SealedRow, Base):
    """A role that was granted to one principal: in the whole tenant, or in a project or environment."""

    __tablename__ = "role_bindings"
    __table_args__ = (Index("role_bindings_by_principal", "tenant", "principal"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: secrets.token_hex(10))
    tenant: Mapped[str] = mapped_column(String(100), default="default")
    principal: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(40))
    project: Mapped[str | None] = mapped_column(String(200))
    environment: Mapped[str | None] = mapped_column(String(100))
    granted_by: Mapped[str] = mapped_column(String(200))
    granted_at: Mapped[float]
