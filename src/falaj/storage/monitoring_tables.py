"""The tables of monitoring: what locations counted, what monitors remember and found, and the alerts that they raised.

Nothing here holds a row of anybody's data: only counts over cells that a release's reference fixed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import BIG_KEY, Base


class ProfileBlockRow(Base):
    """Counts of a part of a location's prediction log; `revision` is that of the location's own file."""

    __tablename__ = "profile_blocks"
    location: Mapped[str] = mapped_column(String(100), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True)
    arm: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    start: Mapped[float]
    end: Mapped[float]
    rows: Mapped[int]
    final: Mapped[bool]
    revision: Mapped[int] = mapped_column(BigInteger)
    least: Mapped[int]
    features: Mapped[dict[str, Any] | None]
    predictions: Mapped[dict[str, Any] | None]
    losses: Mapped[dict[str, Any] | None]
    received_at: Mapped[float]


class LossRunRow(Base):
    """The mean loss of a fixed number of labelled rows, in the order in which their labels came."""

    __tablename__ = "loss_runs"
    location: Mapped[str] = mapped_column(String(100), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True)
    arm: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    rows: Mapped[int]
    mean: Mapped[float]
    start: Mapped[float]
    end: Mapped[float]
    labelled_at: Mapped[float]


class MonitorRow(Base):
    """What the monitors of an endpoint at a location remember, and how they stand."""

    __tablename__ = "monitors"
    __table_args__ = (Index("monitors_by_model", "model", "environment", "location"),)
    location: Mapped[str] = mapped_column(String(100), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    release: Mapped[int]
    status: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str]
    state: Mapped[dict[str, Any]]
    updated_at: Mapped[float]


class MonitorWindowRow(Base):
    """What the monitors found in one window of a release."""

    __tablename__ = "monitor_windows"
    __table_args__ = (Index("monitor_windows_by_end", "model", "environment", "end"),)
    location: Mapped[str] = mapped_column(String(100), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    release: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    start: Mapped[float]
    end: Mapped[float]
    rows: Mapped[int]
    report: Mapped[dict[str, Any]]
    judged_at: Mapped[float]


class AlertRow(Base):
    """What monitors of one release at one endpoint raised: one open alert at most, whatever fires how often.

    `data` holds the monitors that fired, evidence, the verdict of triage with its facts, and what was done.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index("alerts_by_endpoint", "model", "environment", "state"),
        Index("alerts_by_time", "opened_at", "id"),
        Index("alerts_by_state", "state", "opened_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100), default="default")
    project: Mapped[str] = mapped_column(String(200))
    location: Mapped[str] = mapped_column(String(100))
    environment: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(200))
    release: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(40))
    severity: Mapped[str] = mapped_column(String(20))
    opened_at: Mapped[float]
    updated_at: Mapped[float]
    resolved_at: Mapped[float | None]
    muted_until: Mapped[float | None]
    data: Mapped[dict[str, Any]]


class AlertNoteRow(Base):
    """Something that was said or done about an alert."""

    __tablename__ = "alert_notes"
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    alert: Mapped[str] = mapped_column(String(40), index=True)
    at: Mapped[float]
    by: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    text: Mapped[str]
