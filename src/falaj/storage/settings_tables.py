"""The tables of what was applied of platform.yaml, version by version, and of the drift that was last found."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base


class SettingsRow(SealedRow, Base):
    """One applied version; the newest holds."""

    __tablename__ = "platform_settings"
    permanent = True
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    spec: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(80))
    text: Mapped[str]
    differences: Mapped[list[Any]]
    keys: Mapped[dict[str, Any]]
    envelope: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(String(200))
    at: Mapped[float]


class DriftRow(Base):
    """What the last look at the installation found that differs from what was applied; a single row."""

    __tablename__ = "platform_drift"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checked_at: Mapped[float]
    findings: Mapped[list[Any]]
