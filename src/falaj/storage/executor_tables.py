"""The tables of steps that run on other machines: their orders, who carries them out, and what came of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import BIG_KEY, Base


class StepOrderRow(Base):
    """One attempt of a step for an executor. `state` is `waiting`, `leased`, `cancelling` or `ended`.

    `document` is the order. `worker` holds it by `lease` until `lease_expires_at`, by the clock of the database.
    `receipt` is what the holder said at the end, the first time that one did; `reason` why it ended without.
    """

    __tablename__ = "step_orders"
    __table_args__ = (
        Index("step_orders_waiting", "executor", "state", "created_at"),
        Index("step_orders_by_run", "run_id"),
    )
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    executor: Mapped[str] = mapped_column(String(100))
    fence: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    document: Mapped[dict[str, Any]]
    cpu: Mapped[float]
    memory_bytes: Mapped[int | None] = mapped_column(BIG_KEY)
    worker: Mapped[str | None] = mapped_column(String(100))
    lease: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[float] = mapped_column(default=0.0)
    data_key: Mapped[str] = mapped_column(String(40), default="")
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class StepUploadRow(Base):
    """An object of an output that the holder of an order has sent."""

    __tablename__ = "step_uploads"
    key: Mapped[str] = mapped_column(ForeignKey("step_orders.key"), primary_key=True)
    lease: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)


class StepOutputRow(Base):
    """What a step printed on another machine, until who conducts the run has taken it into the log."""

    __tablename__ = "step_output"
    __table_args__ = (Index("step_output_by_order", "key", "id"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(ForeignKey("step_orders.key"))
    text: Mapped[str]
