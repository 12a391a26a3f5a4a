"""The tables. Times are unix seconds; JSON columns hold small documents that only their own room reads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from falaj.storage.sealed import SealedRow

BIG_KEY = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in INTEGER columns


class Base(DeclarativeBase):
    """All tables of the control plane."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}


class ProjectRow(Base):
    """A git repository that Falaj builds."""

    __tablename__ = "projects"
    __table_args__ = (Index("projects_by_time", "created_at", "name"),)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    repository: Mapped[str]
    branch: Mapped[str]
    vendor: Mapped[str | None]
    webhook_secret: Mapped[str | None]
    poll_every_s: Mapped[float | None]
    last_commit: Mapped[str | None]
    created_at: Mapped[float]


class Delivery(Base):
    """A webhook delivery that was accepted; the key refuses a replay."""

    __tablename__ = "deliveries"
    vendor: Mapped[str] = mapped_column(String(40), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    received_at: Mapped[float]


class ProcessRow(Base):
    """A long-running thing: its state, when it wants to be woken, and who holds its lease."""

    __tablename__ = "processes"
    __table_args__ = (
        Index("processes_due", "kind", "wake_at"),
        Index("processes_by_time", "kind", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    schema_version: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]]
    wake_at: Mapped[float | None]
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[float] = mapped_column(default=0.0)
    fence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    updated_at: Mapped[float]


class OutboxRow(Base):
    """An effect that a committed transition asks for; done at least once, idempotent by its key."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "done_at", "not_before"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(300), unique=True)
    effect: Mapped[str] = mapped_column(String(60))
    data: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float] = mapped_column(default=0.0)
    last_error: Mapped[str | None]
    created_at: Mapped[float]
    done_at: Mapped[float | None]


class RunRow(Base):
    """One execution of a project's pipeline at a commit. `dedupe` makes a commit that is announced twice one run."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_time", "created_at", "id"),
        Index("runs_of_project", "project", "created_at", "id"),
        Index("runs_of_model", "model", "created_at", "id"),
        Index("runs_by_state", "state", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    model: Mapped[str | None]
    commit: Mapped[str] = mapped_column(String(64))
    ref: Mapped[str | None]
    trigger: Mapped[str]
    params: Mapped[dict[str, Any]]
    dedupe: Mapped[str | None] = mapped_column(String(200), unique=True)
    started_by: Mapped[str] = mapped_column(String(200), default="", server_default="")
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    release: Mapped[int | None]
    mlflow_run: Mapped[str | None]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class StepRunRow(Base):
    """The latest known state of one step, check or gate of a run."""

    __tablename__ = "step_runs"
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    node: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    position: Mapped[int]
    detail: Mapped[dict[str, Any]]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class EventRow(Base):
    """What happened, in order; the event stream reads it by id."""

    __tablename__ = "events"
    __table_args__ = (Index("events_by_subject", "subject", "id"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    at: Mapped[float]
    subject: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(60))
    data: Mapped[dict[str, Any]]


class ReleaseRow(Base):
    """A numbered release of a model."""

    __tablename__ = "releases"
    __table_args__ = (
        UniqueConstraint("model", "run_id"),
        Index("releases_by_time", "created_at", "model", "number"),
        Index("releases_of_model", "model", "created_at", "number"),
        Index("releases_by_state", "state", "created_at", "model", "number"),
    )
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str]
    run_id: Mapped[str]
    commit: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class ReleaseWithdrawalRow(SealedRow, Base):
    """The state of a release that was withdrawn, and that of one which was brought back since; none for all others."""

    __tablename__ = "release_withdrawals"
    permanent = True
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    at: Mapped[float]
    decided_by: Mapped[str] = mapped_column(String(200))


class EvidenceRow(Base):
    """A signed statement about a release, as the DSSE envelope that was signed."""

    __tablename__ = "evidence"
    __table_args__ = (Index("evidence_by_release", "model", "number"),)
    id: Mapped[int] = mapped_column(BIG_KEY, primary_key=True, autoincrement=True)
    model: Mapped[str]
    number: Mapped[int]
    run_id: Mapped[str]
    predicate_type: Mapped[str]
    envelope: Mapped[dict[str, Any]]


class EndpointRow(SealedRow, Base):
    """What an endpoint must serve at a location, and what the location's agent last said of it."""

    __tablename__ = "endpoints"
    __table_args__ = (
        Index("endpoints_by_environment", "environment", "model", "location"),
        Index("endpoints_by_model", "model", "environment", "location"),
    )
    permanent, unsealed = True, frozenset({"status", "updated_at"})
    location: Mapped[str] = mapped_column(String(100), primary_key=True)
    environment: Mapped[str] = mapped_column(String(100), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    release: Mapped[int]
    previous: Mapped[int | None]
    version: Mapped[int]
    plan: Mapped[dict[str, Any]]
    status: Mapped[dict[str, Any]]
    updated_at: Mapped[float]
