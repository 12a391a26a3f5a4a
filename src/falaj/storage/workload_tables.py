"""The tables of enrolled locations and of the certificates that their agents have."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base


class EnrolmentRow(SealedRow, Base):
    """A workload's way in: invited with a token (`digest` is its SHA-256), in since `used_at`, out since `ended_at`.

    `part` says what it is, as its certificates do: `location` is the location of an agent, or the name of a machine of
    an executor, `EXECUTOR.ID`. `key_digest` is the SHA-256 of the public key that was certified last. Of one location
    at most one is in.
    """

    __tablename__ = "workload_enrolments"
    unsealed = frozenset({"seen_at"})
    __table_args__ = (
        Index("workload_enrolments_by_location", "location"),
        Index("workload_enrolments_by_key", "key_digest"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    part: Mapped[str] = mapped_column(String(20))
    location: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    seen_at: Mapped[float | None]
    key_digest: Mapped[str | None] = mapped_column(String(64))
    certified_until: Mapped[float | None]


class CertificateRow(SealedRow, Base):
    """A certificate that is believed: one whose serial number is not here is refused, whoever signed it."""

    __tablename__ = "workload_certificates"
    ends = "expires_at"
    __table_args__ = (Index("workload_certificates_by_enrolment", "enrolment"),)
    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    enrolment: Mapped[str] = mapped_column(ForeignKey("workload_enrolments.id"))
    issued_at: Mapped[float]
    expires_at: Mapped[float]
