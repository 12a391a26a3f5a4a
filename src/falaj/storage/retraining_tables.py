"""The tables of retraining: what asked for a training and what came of it, and what is remembered of each model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import Base


class TrainingRequestRow(Base):
    """A wish for a training. One that comes while another of its kind waits is counted in `times` there.

    `at` is when what asked for it happened; `wake_at` is when to look again. `cause` is what the one who asked said;
    `data` holds the window, the occasions that were merged, the minutes and the verdict on the candidate.
    """

    __tablename__ = "training_requests"
    __table_args__ = (
        UniqueConstraint("model", "occasion"),
        Index("training_requests_by_model", "model", "state"),
        Index("training_requests_by_run", "run_id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    project: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    occasion: Mapped[str] = mapped_column(String(300))
    attempt: Mapped[int]
    times: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str]
    cause: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(String(200))
    at: Mapped[float]
    wake_at: Mapped[float | None]
    run_id: Mapped[str | None] = mapped_column(String(40))
    data: Mapped[dict[str, Any]]
    requested_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class RetrainingRow(Base):
    """What is remembered of a model: who last resumed its trainings, and what was last seen of its data sources."""

    __tablename__ = "retraining"
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    project: Mapped[str] = mapped_column(String(200))
    resumed_at: Mapped[float | None]
    resumed_by: Mapped[str] = mapped_column(String(200), default="")
    observations: Mapped[dict[str, Any]]
    updated_at: Mapped[float]
