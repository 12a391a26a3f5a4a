"""The tables of keys at rest, and of the secrets of steps and of the platform."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import Base


class DataKeyRow(Base):
    """A data key, wrapped by the root key; a destroyed one stays as a row without a key."""

    __tablename__ = "data_keys"
    __table_args__ = (
        Index("data_keys_by_scope", "tenant", "jurisdiction", "subject"),
        Index("data_keys_by_time", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100))
    jurisdiction: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    root: Mapped[str] = mapped_column(String(300))
    wrapped: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float]
    changed_at: Mapped[float]


class SecretRow(Base):
    """A secret of a project's steps, encrypted."""

    __tablename__ = "step_secrets"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[float]
    updated_by: Mapped[str] = mapped_column(String(200))


class PlatformSecretRow(Base):
    """A secret of the platform itself, such as one that signs notifications, encrypted; no step can ask for it."""

    __tablename__ = "platform_secrets"
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[float]
    updated_by: Mapped[str] = mapped_column(String(200))
