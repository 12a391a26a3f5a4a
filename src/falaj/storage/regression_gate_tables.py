"""The gates that failures left behind."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import Base


class RegressionGateRow(Base):
    """A condition that a failure left for every later candidate of its model, once a person has accepted it.

    `digest` names the snapshot of the failing rows, empty where they may not leave their location. `data` holds what
    was found: means, p-value, number of rows, columns, the signed statement about the snapshot.
    """

    __tablename__ = "regression_gates"
    __table_args__ = (
        Index("regression_gates_by_model", "model", "state"),
        Index("regression_gates_by_time", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    project: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    metric: Mapped[str] = mapped_column(String(40))
    limit: Mapped[float]
    predicate: Mapped[str]
    digest: Mapped[str] = mapped_column(String(80))
    location: Mapped[str] = mapped_column(String(100))
    jurisdiction: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(200))
    decided_by: Mapped[str] = mapped_column(String(200), default="")
    reason: Mapped[str] = mapped_column(default="")
    data: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    updated_at: Mapped[float]
