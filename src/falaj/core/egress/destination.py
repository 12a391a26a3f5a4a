"""A URL's host, looked up once and judged; whoever connects goes to these addresses and looks nothing up again."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from falaj.core.egress.addresses import EgressRules

Resolver = Callable[[str, int], Sequence[str]]

_PORTS = {"https": 443, "http": 80, "ssh": 22}


@dataclass(frozen=True)
class Destination:
    """What may be connected to.

    Attributes:
        host: As the URL says it, for certificates and headers.
        port: TCP port.
        addresses: All addresses of the host, each of them permitted.
    """

    host: str
    port: int
    addresses: tuple[str, ...]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, each once, as the machine finds them.

    Raises:
        OSError: There are none.
    """
    address_infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in address_infos))


def numeric(host: str, port: int) -> Sequence[str]:
    """The address that a host is written as, in any spelling that a resolver reads; asks no name service.

    Raises:
        OSError: It is a name.
    """
    address_infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return list(dict.fromkeys(str(each[4][0]) for each in address_infos))


def destination(url: str, rules: EgressRules, resolver: Resolver = resolve) -> Destination:
    """Look a URL's host up, once, and judge what was found.

    Raises:
        ForbiddenAddressError: It leads where the platform does not connect to (`egress.address`).
        OSError: The name has no address.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    return Destination(host, port, rules.require(host, resolver(host, port)))


def is_proxied(url: str) -> bool:
    """Whether the environment names a proxy for a URL: it looks the name up, and decides where it leads.

    An address that is written as one is never left to it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_address(host) or parts.scheme not in ("http", "https"):
        return False
    proxies = getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.netloc)


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address and not as a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
