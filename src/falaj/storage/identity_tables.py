"""The tables of accounts, sessions, tokens and approval keys. Secrets are kept as digests, never as themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from falaj.storage.sealed import SealedRow
from falaj.storage.tables import Base

_PRINCIPAL_LENGTH = 200


class AccountRow(SealedRow, Base):
    """A person or a service that may act here; a row is locked, never deleted, so that its name is never reused.

    `source` says who proves the identity: `local` (a password), `oidc` (the identity provider) or `token` (a service).
    The one-time password's key is sealed; `totp_step` is the newest step that was used, which may not be used again.
    """

    __tablename__ = "accounts"
    permanent = True
    __table_args__ = (
        UniqueConstraint("tenant", "email"),
        Index("accounts_by_time", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(_PRINCIPAL_LENGTH), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100))
    source: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(254))
    groups: Mapped[list[Any]]
    locked_at: Mapped[float | None]
    locked_reason: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str | None]
    totp_sealed: Mapped[str | None]
    totp_confirmed: Mapped[bool] = mapped_column(default=False)
    totp_step: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(_PRINCIPAL_LENGTH))


class SessionRow(SealedRow, Base):
    """A person who logged in; `digest` is the SHA-256 of the secret that the person holds.

    `idle_s` is after how long without use it ends, as that of a browser does; None for one of a terminal.
    """

    __tablename__ = "identity_sessions"
    ends = "expires_at"
    unsealed = frozenset({"used_at"})
    __table_args__ = (Index("identity_sessions_by_account", "account", "authenticated_at", "id"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    method: Mapped[str] = mapped_column(String(20))
    authenticated_at: Mapped[float]
    step_up_at: Mapped[float | None]
    step_up_method: Mapped[str | None] = mapped_column(String(20))
    expires_at: Mapped[float]
    idle_s: Mapped[float | None]
    used_at: Mapped[float]


class TokenRow(SealedRow, Base):
    """A token for programs: the account that it acts as, what it may do at most, where and until when."""

    __tablename__ = "identity_tokens"
    permanent, ends = True, "expires_at"
    __table_args__ = (
        Index("identity_tokens_by_account", "account", "created_at", "id"),
        Index("identity_tokens_by_time", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    label: Mapped[str] = mapped_column(String(100))
    actions: Mapped[list[Any]]
    audience: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float]
    created_by: Mapped[str] = mapped_column(String(_PRINCIPAL_LENGTH))
    expires_at: Mapped[float]
    revoked_at: Mapped[float | None]


class LinkRow(SealedRow, Base):
    """A one-time link: to make the first administrator (no account), or to choose a password."""

    __tablename__ = "identity_links"
    ends = "expires_at"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(20))
    account: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[float]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]


class AttemptRow(Base):
    """Failed proofs of a name, whether it exists or not; `name_digest` is the SHA-256 of the name that was given."""

    __tablename__ = "identity_attempts"
    name_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[float]


class ApprovalKeyRow(SealedRow, Base):
    """A person's public approval key, with the signed statement that says whose it is; a key has one person."""

    __tablename__ = "approval_keys"
    permanent = True
    __table_args__ = (Index("approval_keys_by_account", "account", "key_id"),)
    key_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    pem: Mapped[str]
    envelope: Mapped[dict[str, Any]]
    not_before: Mapped[float]
    not_after: Mapped[float]
    revoked_at: Mapped[float | None]
