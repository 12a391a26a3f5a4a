"""The tables of the audit log. Leaves, nodes and checkpoints are only added; details and pseudonyms can be erased."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.tables import Base

ACTOR_LENGTH, SUBJECT_LENGTH = 40, 300


class AuditHeadRow(Base):
    """How many leaves there are, and the hashes of the complete subtrees that they make, from left to right.

    Whoever appends holds this row, so that there is one log and no gap in it.
    """

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    edge: Mapped[bytes] = mapped_column(LargeBinary)


def _family(context: DefaultExecutionContext) -> str:
    """What the kind of a leaf begins with, before its first dot."""
    parameters: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return str(parameters["kind"]).partition(".")[0]


class AuditLeafRow(Base):
    """A leaf: `text` is exactly what is hashed, the other columns repeat of it what is searched for.

    `family` is the kind up to its first dot. `actor` and `subject` are cut to their length; what a database does not
    take of them is replaced.
    """

    __tablename__ = "audit_leaves"
    __table_args__ = (
        Index("audit_leaves_by_subject", "subject", "index"),
        Index("audit_leaves_by_actor", "actor", "index"),
        Index("audit_leaves_by_family", "family", "index"),
    )
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(60))
    family: Mapped[str] = mapped_column(String(60), default=_family)
    actor: Mapped[str] = mapped_column(String(ACTOR_LENGTH))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    envelope: Mapped[str | None] = mapped_column(String(80), index=True)
    text: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditDetailRow(Base):
    """What a leaf holds the salted hash of; without this row the leaf tells nothing of it and still proves itself."""

    __tablename__ = "audit_details"
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    salt: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]]


class AuditPseudonymRow(Base):
    """Who a pseudonym in the log is; without this row nobody."""

    __tablename__ = "audit_pseudonyms"
    pseudonym: Mapped[str] = mapped_column(String(40), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), unique=True)


class AuditNodeRow(Base):
    """The hash of a complete subtree of 2**level leaves, the first of which is position * 2**level."""

    __tablename__ = "audit_nodes"
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditCheckpointRow(Base):
    """A signed checkpoint of the log when it had so many leaves."""

    __tablename__ = "audit_checkpoints"
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[float]
    text: Mapped[str]
