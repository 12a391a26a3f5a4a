"""Where other machines come in, in platform.yaml."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from falaj.config.fields import Or, Strict, problem, text_like
from falaj.config.platform_spec import ListenSpec

_SHORT = ("internal-ca", "off")
_MOST_PORT = 65_535


def _address(text: str) -> str:
    host, port = split_address(text)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise problem(f"{host!r} is not an IP address", "such as 192.0.2.10:8443 or [2001:db8::1]:8443") from None
    if not 0 < port <= _MOST_PORT:
        raise problem(f"there is no port {port}", "a port from 1 to 65535")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 address stands in brackets."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


Address = Annotated[
    str,
    text_like(r"^(\[[0-9a-fA-F:]+\]|[0-9.]+):[0-9]{1,5}$", "an IP address and a port such as 192.0.2.10:8443", 60),
    AfterValidator(_address),
]
HostName = Annotated[str, text_like(r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", "a host name or an IP address", 253)]
FilePath = Annotated[str, text_like(r"^/[^\x00]+$", "the whole path of a file on the machine that listens", 4_000)]


class Tls(Strict):
    """By whose certificate TLS is spoken."""

    by: Literal["internal-ca", "off", "files"] = Field(
        default="files", description="`internal-ca`: the installation's own authority, whose certificate callers need."
    )
    cert: FilePath | None = Field(default=None, description="File of the certificate and its chain, PEM.")
    key: FilePath | None = Field(default=None, description="File of its private key, PEM.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.by == "files") != (self.cert is not None and self.key is not None):
            raise problem("a certificate of yours is two files", "`cert` and `key`, or `tls: internal-ca`")
        return self


def _as_mapping(value: Any) -> Any:
    return {"by": value} if isinstance(value, str) and value in _SHORT else value


class Listen(Strict):
    """Where other machines come in. On this machine's loopback interface the ports of `falaj up` stay as they are."""

    address: Address = Field(description="Address and port to listen on.")
    tls: Annotated[Tls, BeforeValidator(_as_mapping), Or({"enum": [*_SHORT]})] = Field(
        default=Tls(by="internal-ca"),
        description="By whose certificate: `internal-ca`, or `{cert, key}`; `off` on loopback addresses alone.",
    )
    names: list[HostName] = Field(
        default=[],
        max_length=20,
        description="Names and addresses by which callers reach it, the one in URLs first; by default the address.",
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        host = ipaddress.ip_address(split_address(self.address)[0])
        if self.tls.by == "off" and not host.is_loopback:
            raise problem("without TLS, what others send could be read on the way", "`tls: internal-ca` or {cert, key}")
        if host.is_unspecified and not self.names:
            raise problem("a wildcard address is not a name that clients can use", "`names: [models.example.org]`")
        return self

    def to_spec(self) -> ListenSpec:
        """The listener as other rooms consume it."""
        host, port = split_address(self.address)
        names = tuple(dict.fromkeys(self.names)) or (host,)
        return ListenSpec(host, port, self.tls.by, self.tls.cert or "", self.tls.key or "", names)


class Listeners(Strict):
    """Where other machines reach the platform itself; a location has a `listen` of its own for its endpoints."""

    server: Listen | None = Field(default=None, description="The API and its pages; nowhere by default.")
