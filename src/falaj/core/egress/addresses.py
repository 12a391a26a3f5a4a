"""Which addresses may be connected to (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from falaj.core.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
"""Where clouds answer their machines' questions about themselves, outside the link-local range."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class ForbiddenAddressError(UsageError):
    """A host leads to an address that the platform does not connect to."""

    code = "egress.address"


@dataclass(frozen=True)
class EgressRules:
    """Where the platform may connect to besides public addresses.

    Link-local, multicast and unspecified addresses and the metadata services of clouds are refused whatever is said
    here: nothing that the platform asks is there.

    Args:
        private: Hosts that may have private addresses, and networks in CIDR form that may be connected to.
        loopback: This machine may be asked, as an installation is that serves this machine alone.
        any_private: Every private address may be connected to.
    """

    private: tuple[str, ...] = ()
    loopback: bool = False
    any_private: bool = False

    def require(self, host: str, addresses: Sequence[str]) -> tuple[str, ...]:
        """Return the addresses of a host when each of them may be connected to.

        One bad address among good ones refuses the host: whoever publishes both hopes that another one is taken later.

        Raises:
            ForbiddenAddressError: There is none, or one is not permitted.
        """
        if not addresses:
            raise ForbiddenAddressError("the name has no address", where=host)
        for text in addresses:
            for address in _meanings(ipaddress.ip_address(text.partition("%")[0])):
                self._require(host, text, address)
        return tuple(addresses)

    def _require(self, host: str, text: str, address: _Address) -> None:
        if address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA:
            raise ForbiddenAddressError(f"the name leads to {text}, where nothing is asked", where=host)
        if not address.is_global and not self._permits(host, address):
            raise ForbiddenAddressError(
                f"the name leads to {text}, which is not a public address",
                where=host,
                hint="the platform file says what is meant: `egress: {private: [...]}`, `allow_private` of a receiver",
            )

    def _permits(self, host: str, address: _Address) -> bool:
        if self.any_private or (self.loopback and address.is_loopback) or host.casefold() in self.private:
            return True
        return any(address in network for network in map(_network, self.private) if network is not None)


OWN_MACHINE = EgressRules(loopback=True)
"""What holds where no platform file names private hosts."""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _meanings(address: _Address) -> Iterator[_Address]:
    """The address, or the IPv4 address that it stands for by mapping or translation."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if (address in _NAT64 or address in _IPV4_COMPATIBLE) and int(address) > 1:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    embedded = [each for each in inner if each is not None]
    yield from embedded or [address]
