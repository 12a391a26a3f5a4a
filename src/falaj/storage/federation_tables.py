"""The tables of people from an identity provider, of logins on their way, and of security keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base

_PRINCIPAL_LENGTH = 200


class FederatedSubjectRow(SealedRow, Base):
    """Who a person is at a provider, and the account here; addresses and names may change, this pair does not."""

    __tablename__ = "federation_subjects"
    permanent = True
    issuer: Mapped[str] = mapped_column(String(500), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), unique=True)
    first_at: Mapped[float]


class LoginRow(SealedRow, Base):
    """A login that went to the provider and has not come back; secrets of others are kept as digests."""

    __tablename__ = "federation_logins"
    ends = "expires_at"
    __table_args__ = (Index("federation_logins_by_end", "expires_at"),)
    state_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_digest: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(500))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    challenge: Mapped[str] = mapped_column(String(43))
    return_to: Mapped[str] = mapped_column(String(500))
    expires_at: Mapped[float]


class GrantRow(SealedRow, Base):
    """A person whom the provider vouched for, until whoever began the login fetches the session."""

    __tablename__ = "federation_grants"
    ends = "expires_at"
    __table_args__ = (Index("federation_grants_by_end", "expires_at"),)
    code_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    challenge: Mapped[str] = mapped_column(String(43))
    person: Mapped[dict[str, Any]]
    expires_at: Mapped[float]


class SecurityKeyRow(SealedRow, Base):
    """A WebAuthn credential of a person; `id` is the SHA-256 of the credential's id, which may be a kilobyte long."""

    __tablename__ = "security_keys"
    __table_args__ = (Index("security_keys_by_account", "account"),)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    credential: Mapped[str]
    public_key: Mapped[str]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    label: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[float]
    used_at: Mapped[float | None]


class CeremonyRow(SealedRow, Base):
    """A challenge that a security key is to sign; `statement` is the digest of what is approved with it."""

    __tablename__ = "security_key_ceremonies"
    ends = "expires_at"
    __table_args__ = (Index("security_key_ceremonies_by_account", "account"),)
    challenge: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(_PRINCIPAL_LENGTH))
    purpose: Mapped[str] = mapped_column(String(20))
    statement: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[float]
    finished_at: Mapped[float | None]
