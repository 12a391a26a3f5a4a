"""Who may ask an endpoint, and by which door others than this machine come in (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

DEFAULT_PER_SECOND = 1_000
"""Requests of one caller a second, where the project does not say."""


class CallerPolicy(StrEnum):
    """Who is served."""

    ANYONE = "anyone-on-this-machine"
    TOKEN = "token"  # noqa: S105 - the name of a policy
    MTLS = "mtls"


@dataclass(frozen=True)
class EndpointCallers:
    """Who may ask one endpoint.

    Args:
        policy: What its project says; None for anyone on the loopback interface and a token elsewhere.
        ids: Callers that were added and not revoked.
        per_second: Requests of one caller a second.
    """

    policy: CallerPolicy | None = None
    ids: tuple[str, ...] = ()
    per_second: int = DEFAULT_PER_SECOND

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        policy = None if self.policy is None else str(self.policy)
        return {"policy": policy, "ids": list(self.ids), "per_second": self.per_second}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EndpointCallers:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        policy = None if value["policy"] is None else CallerPolicy(value["policy"])
        return cls(policy, tuple(map(str, value["ids"])), int(value["per_second"]))


ANYONE_HERE = EndpointCallers()
"""Where nothing is said: nobody was added."""

Tls = Literal["off", "internal-ca", "files"]


@dataclass(frozen=True)
class Door:
    """Where an endpoint is reached from other machines.

    Args:
        address: Address to listen on.
        port: Port to listen on.
        tls: By whose certificate it speaks TLS, or `off`.
        cert: File of its certificate, with `files`.
        key: File of the key, with `files`.
        names: Names and addresses under which callers know it, the one in its URL first.
    """

    address: str
    port: int
    tls: Tls = "internal-ca"
    cert: str = ""
    key: str = ""
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Its base URL."""
        host = self.names[0] if self.names else self.address
        return f"{'http' if self.tls == 'off' else 'https'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        return {
            "address": self.address, "port": self.port, "tls": self.tls, "cert": self.cert, "key": self.key,
            "names": list(self.names),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Door:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        return cls(**{**value, "names": tuple(value["names"])})


@dataclass(frozen=True)
class CallerTrust:
    """What a gateway needs to know to let callers in.

    Args:
        jwks: Public keys that sign tokens of callers; without any, nobody comes in by a token.
        authority: The authority of certificates of callers in PEM; empty where nobody comes in by one.
        trust_domain: What it speaks for.
        door: Where others than this machine come in; None where nobody does.
    """

    jwks: Mapping[str, Any] = field(default_factory=dict)
    authority: str = ""
    trust_domain: str = ""
    door: Door | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        door = None if self.door is None else self.door.to_json()
        return {"jwks": dict(self.jwks), "authority": self.authority, "trust_domain": self.trust_domain, "door": door}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CallerTrust:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        door = None if value["door"] is None else Door.from_json(value["door"])
        return cls(dict(value["jwks"]), str(value["authority"]), str(value["trust_domain"]), door)


CLOSED = CallerTrust()
"""Of a gateway that was told of no keys: who is asked for a token does not come in."""


@dataclass(frozen=True)
class Admittance:
    """Who may ask the endpoints of a location, and where.

    Args:
        entry: How callers are told apart.
        callers: By endpoint: who may ask.
    """

    entry: CallerTrust = CLOSED
    callers: Mapping[str, EndpointCallers] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        callers = {name: each.to_json() for name, each in self.callers.items()}
        return {"entry": self.entry.to_json(), "callers": callers}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Admittance:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        callers = {str(name): EndpointCallers.from_json(each) for name, each in value["callers"].items()}
        return cls(CallerTrust.from_json(value["entry"]), callers)
