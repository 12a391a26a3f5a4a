"""Which addresses notifications may be sent to (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from falaj.integrations.notifications.errors import ForbiddenAddressError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
"""Where clouds answer their machines' questions about themselves, outside the link-local range."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


def permitted(addresses: Sequence[str], *, allow_private: bool) -> tuple[str, ...]:
    """Return the addresses of a name when notifications may be sent to each of them.

    One bad address among good ones refuses the name: whoever publishes both hopes that another one is taken later.

    Args:
        addresses: As the name was resolved.
        allow_private: This machine and private networks are meant. Link-local, multicast and unspecified addresses and
            the metadata services of clouds are refused nevertheless: no receiver is there.

    Raises:
        ForbiddenAddressError: There is none, or one is where nothing is sent.
    """
    if not addresses:
        raise ForbiddenAddressError("the name has no address")
    for text in addresses:
        for found in _meanings(ipaddress.ip_address(text.partition("%")[0])):
            _require(found, text, allow_private)
    return tuple(addresses)


def _require(found: _Address, text: str, allow_private: bool) -> None:
    nowhere = found.is_link_local or found.is_multicast or found.is_unspecified or found in _METADATA
    if nowhere:
        raise ForbiddenAddressError(f"the name leads to {text}, where no receiver is")
    if not found.is_global and not allow_private:
        raise ForbiddenAddressError(
            f"the name leads to {text}, which is not a public address", hint="`allow_private: true` if it is meant"
        )


def _meanings(found: _Address) -> Iterator[_Address]:
    """The address, or the IPv4 address that it stands for by mapping or translation."""
    if isinstance(found, ipaddress.IPv4Address):
        yield found
        return
    inner = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
    if (found in _NAT64 or found in _IPV4_COMPATIBLE) and int(found) > 1:
        inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    embedded = [each for each in inner if each is not None]
    yield from embedded or [found]
