"""What travels about logins by an identity provider, and about security keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IdentityProvider:
    """The provider that people log in with; a browser begins at `start`."""

    issuer: str
    start: str


@dataclass(frozen=True)
class SecurityKey:
    """A security key of a person; `id` is the SHA-256 of its credential's id."""

    id: str
    label: str
    created_at: float
    used_at: float | None


@dataclass(frozen=True)
class KeyPage:
    """Where a browser asks for a security key."""

    url: str


@dataclass(frozen=True)
class AssertedStepUp:
    """A fresh proof by a security key, for one statement alone."""

    method: str
    at: float
    statement: str
    key: str
