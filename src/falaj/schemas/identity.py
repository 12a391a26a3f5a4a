"""What travels about people, their sessions, tokens and keys. Secrets travel once, to those whom they are for."""

from __future__ import annotations

from dataclasses import dataclass, field

from falaj.schemas import states


@dataclass(frozen=True)
class LoggedIn:
    """A session that was just opened; `token` is shown this once."""

    token: str
    person: str
    expires_at: float
    step_up_method: str | None


@dataclass(frozen=True)
class GrantedRole:
    """A role in its scope; `source` says what granted it."""

    role: str
    project: str | None = None
    environment: str | None = None
    source: str = "account"


@dataclass(frozen=True)
class WhoAmI:
    """Who sends the request, and with which rights; `actions` bounds a token and is None for others."""

    id: str
    kind: states.PrincipalKind
    tenant: str
    email: str | None
    groups: list[str]
    actions: list[str] | None
    authenticated_at: float
    step_up_at: float | None
    step_up_method: str | None
    roles: list[GrantedRole] = field(default_factory=list)


@dataclass(frozen=True)
class OwnSession:
    """A session of the caller; `browser` ones end after an hour without use, `current` is the one that asks."""

    id: str
    method: str
    browser: bool
    authenticated_at: float
    used_at: float
    expires_at: float
    current: bool


@dataclass(frozen=True)
class SteppedUp:
    """A fresh proof of identity, noted in the session."""

    method: str
    at: float


@dataclass(frozen=True)
class TotpEnrolment:
    """The secret for an authenticator application; shown this once."""

    secret: str
    uri: str


@dataclass(frozen=True)
class Token:
    """A token without its secret; `account` is the principal that it acts as."""

    id: str
    account: str
    label: str
    actions: list[str]
    audience: str
    created_at: float
    created_by: str
    expires_at: float
    revoked_at: float | None


@dataclass(frozen=True)
class IssuedToken:
    """A token that was just made; `secret` is shown this once."""

    secret: str
    token: Token


@dataclass(frozen=True)
class ApprovalKey:
    """A person's public key for approvals, with the signed statement that says whose it is."""

    key_id: str
    person: str
    pem: str
    not_before: float
    not_after: float
    envelope: dict[str, object]


@dataclass(frozen=True)
class Account:
    """A person or service that may act here; `source` says who proves its identity."""

    id: str
    source: states.AccountSource
    email: str | None
    groups: list[str]
    locked_at: float | None
    locked_reason: str
    totp: bool
    password: bool
    created_at: float
    roles: list[GrantedRole] = field(default_factory=list)


@dataclass(frozen=True)
class PasswordLink:
    """A one-time link to choose a password, to be handed to the person of the account."""

    account: str
    link: str
    expires_at: float


def key_proof(person: str, key_id: str) -> bytes:
    """Return the bytes that a person signs with an approval key to prove that it is theirs.

    Args:
        person: Principal id.
        key_id: SHA-256 of the DER public key in hex.
    """
    return f"falaj approval key\n{person}\n{key_id}\n".encode()
