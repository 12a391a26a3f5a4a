"""The tables of changes, the approvals given to them, and the admissions that they led to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import BIG_KEY, Base


class ChangeRow(Base):
    """One release that somebody wants in one environment; its process row of the same id says when it wakes.

    `restores` is the change whose admission a rollback takes up again. `data` holds what was found out when it was
    asked for: risk, quorum, evidence that was missing, why it ended.
    """

    __tablename__ = "changes"
    __table_args__ = (
        Index("changes_by_endpoint", "model", "environment", "created_at"),
        Index("changes_by_time", "created_at", "id"),
        Index("changes_by_state", "state", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100), default="default")
    project: Mapped[str] = mapped_column(String(200))
    model: Mapped[str] = mapped_column(String(200))
    release: Mapped[int]
    digest: Mapped[str] = mapped_column(String(80))
    environment: Mapped[str] = mapped_column(String(100))
    rank: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(40))
    requester: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str]
    restores: Mapped[str | None] = mapped_column(String(40))
    opens_at: Mapped[float | None]
    expires_at: Mapped[float]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class SignedChangeRow(SealedRow, Base):
    """What a change asked for when it was made, and as what it ended; `ended_as` is None until then."""

    __tablename__ = "signed_changes"
    permanent = True
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    release: Mapped[int]
    digest: Mapped[str] = mapped_column(String(80))
    environment: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    requester: Mapped[str] = mapped_column(String(200))
    restores: Mapped[str | None] = mapped_column(String(40))
    challenge: Mapped[bool]
    opens_at: Mapped[float | None]
    expires_at: Mapped[float]
    ended_as: Mapped[str | None] = mapped_column(String(40))
    ended_at: Mapped[float | None]


class ApprovalRow(Base):
    """A person's signed approval of a change, as the DSSE envelope that the person signed."""

    __tablename__ = "approvals"
    change_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    approver: Mapped[str] = mapped_column(String(200), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(80))
    envelope: Mapped[dict[str, Any]]
    approved_at: Mapped[float]


class AdmissionRow(Base):
    """A signed admission; the newest of a change and location is the one that is sent."""

    __tablename__ = "admissions"
    __table_args__ = (Index("admissions_by_change", "change_id", "location"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    change_id: Mapped[str] = mapped_column(String(40))
    location: Mapped[str] = mapped_column(String(100))
    envelope: Mapped[dict[str, Any]]
    not_before: Mapped[float]
    expires_at: Mapped[float]
