"""What travels about locations, their enrolment, and the certificates of their agents."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.schemas import states


@dataclass(frozen=True)
class Location:
    """A location and its agent; `state` is `own`, `not-enrolled`, `invited`, `enrolled` or `silent`."""

    location: str
    state: states.LocationState
    seen_at: float | None
    certified_until: float | None
    enrolled_at: float | None


@dataclass(frozen=True)
class ReleasePlacement:
    """Whether a release goes to a location of the platform for an environment, and the rule that says so."""

    environment: str
    location: str
    kind: str
    jurisdiction: str
    placed: bool
    rule: str


@dataclass(frozen=True)
class Invitation:
    """What an agent needs to come in; by the fingerprint of the authority it knows the server at that port."""

    location: str
    token: str
    expires_at: float
    port: int
    fingerprint: str


@dataclass(frozen=True)
class Authority:
    """The certificate of the installation's authority in PEM; whoever fetches it compares its fingerprint."""

    certificate: str


@dataclass(frozen=True)
class Certificate:
    """A certificate in PEM."""

    certificate: str
    expires_at: float


@dataclass(frozen=True)
class Enrolled:
    """An agent's first certificate, and the public keys that the installation believes (`trusted.json`)."""

    certificate: str
    expires_at: float
    trusted: str
