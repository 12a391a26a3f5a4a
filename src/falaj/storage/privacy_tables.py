"""The tables of privacy: signed records, labelled snapshots and whose data is in them, requests, incidents.

Persons are in none of them by name: what stands for a person is a hash with a secret of the installation.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import Base


class PrivacyRecordRow(Base):
    """A transfer basis, impact assessment or bias evaluation, as the envelope that was signed of it."""

    __tablename__ = "privacy_records"
    __table_args__ = (Index("privacy_records_by_time", "made_at", "id"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(200), index=True)
    envelope: Mapped[dict[str, Any]]
    made_at: Mapped[float]
    expires_at: Mapped[float]
    withdrawn_at: Mapped[float | None]
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))


class LabelledSnapshotRow(Base):
    """What a run read of a source: its label, and whether the index of subjects knows whose data is in it."""

    __tablename__ = "labelled_snapshots"
    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    source: Mapped[str] = mapped_column(String(300), primary_key=True)
    project: Mapped[str] = mapped_column(String(200), index=True)
    classification: Mapped[str] = mapped_column(String(40))
    sector: Mapped[str] = mapped_column(String(40))
    origin: Mapped[str] = mapped_column(String(20))
    subject_key: Mapped[str] = mapped_column(String(200))
    filename: Mapped[str]
    first_at: Mapped[float]
    indexed_at: Mapped[float | None]
    subjects: Mapped[int | None]
    note: Mapped[str]
    erased_at: Mapped[float | None]


class DataLabelRow(Base):
    """A label that somebody gave data, for good; `lowered_by` is the signed record after which it counts no more."""

    __tablename__ = "data_labels"
    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    source: Mapped[str] = mapped_column(String(300), primary_key=True, index=True)
    classification: Mapped[str] = mapped_column(String(40), primary_key=True)
    sector: Mapped[str] = mapped_column(String(40), primary_key=True)
    origin: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    url: Mapped[str] = mapped_column(index=True)
    first_at: Mapped[float]
    lowered_by: Mapped[str | None] = mapped_column(String(40), index=True)


class SubjectRow(Base):
    """That a snapshot holds data of a person."""

    __tablename__ = "subject_index"
    __table_args__ = (Index("subject_index_by_digest", "digest"),)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(80), primary_key=True)


class SubjectSecretRow(Base):
    """The secret of the hashes, encrypted; one row."""

    __tablename__ = "subject_secret"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[str] = mapped_column(Text)


class ErasedSubjectRow(Base):
    """A person whose data was erased, so that a snapshot that holds it again is noticed."""

    __tablename__ = "erased_subjects"
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(String(40))
    erased_at: Mapped[float]


class SubjectRequestRow(Base):
    """What a person asked for, by when it must be answered, and what came of it."""

    __tablename__ = "subject_requests"
    __table_args__ = (
        Index("subject_requests_by_time", "received_at", "id"),
        Index("subject_requests_by_deadline", "due_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), index=True)
    received_at: Mapped[float]
    due_at: Mapped[float]
    closed_at: Mapped[float | None]
    result: Mapped[dict[str, Any]]


class IncidentRow(Base):
    """A breach, from when it was learned of until it is closed."""

    __tablename__ = "privacy_incidents"
    __table_args__ = (
        Index("privacy_incidents_by_time", "learned_at", "id"),
        Index("privacy_incidents_by_deadline", "notify_by", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), index=True)
    learned_at: Mapped[float]
    notify_by: Mapped[float]
    notified_at: Mapped[float | None]
    closed_at: Mapped[float | None]
    data: Mapped[dict[str, Any]]
