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
    OIDC = "oidc"


@dataclass(frozen=True)
class EndpointCallers:
    """Who may ask one endpoint.

    Args:
        policy: What its project says; None for anyone on the loopback interface and a token elsewhere.
        ids: Callers that were added and not revoked.
        per_second: Requests of one caller a second.
        audience: What tokens of the identity provider for this endpoint are for.
    """

    policy: CallerPolicy | None = None
    ids: tuple[str, ...] = ()
    per_second: int = DEFAULT_PER_SECOND
    audience: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        policy = None if self.policy is None else str(self.policy)
        named = {"policy": policy, "ids": list(self.ids), "per_second": self.per_second}
        return {**named, "audience": self.audience}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EndpointCallers:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        policy = None if value["policy"] is None else CallerPolicy(value["policy"])
        return cls(policy, tuple(map(str, value["ids"])), int(value["per_second"]), str(value["audience"]))


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
class TokenIssuer:
    """An identity provider whose tokens callers show.

    Args:
        issuer: Exactly as its tokens say it.
        jwks: Its public keys; without any, nobody comes in by its tokens.
        max_life_s: A token that is good for longer is refused.
    """

    issuer: str
    jwks: Mapping[str, Any]
    max_life_s: int

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        return {"issuer": self.issuer, "jwks": dict(self.jwks), "max_life_s": self.max_life_s}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TokenIssuer:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        return cls(str(value["issuer"]), dict(value["jwks"]), int(value["max_life_s"]))


@dataclass(frozen=True)
class CallerTrust:
    """What a gateway needs to know to let callers in.

    Args:
        jwks: Public keys that sign tokens of callers; without any, nobody comes in by a token.
        authority: The authority of certificates of callers in PEM; empty where nobody comes in by one.
        trust_domain: What it speaks for.
        door: Where others than this machine come in; None where nobody does.
        provider: Whose tokens callers show where an endpoint says `oidc`; None for nobody's.
    """

    jwks: Mapping[str, Any] = field(default_factory=dict)
    authority: str = ""
    trust_domain: str = ""
    door: Door | None = None
    provider: TokenIssuer | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as the control plane sends it."""
        door = None if self.door is None else self.door.to_json()
        provider = None if self.provider is None else self.provider.to_json()
        own = {"jwks": dict(self.jwks), "authority": self.authority, "trust_domain": self.trust_domain}
        return {**own, "door": door, "provider": provider}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CallerTrust:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        door = None if value["door"] is None else Door.from_json(value["door"])
        provider = None if value["provider"] is None else TokenIssuer.from_json(value["provider"])
        return cls(dict(value["jwks"]), str(value["authority"]), str(value["trust_domain"]), door, provider)


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
