"""Which addresses of a provider are asked, and to which addresses a finished login returns."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from falaj.core.egress import EgressRules, ForbiddenAddressError, is_address
from falaj.trust.identity.federation.errors import ProviderError, ReturnAddressError

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_LOOPBACK_RETURN = re.compile(r"http://(127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}(/[A-Za-z0-9._~/-]*)?", re.ASCII)
_OWN_RETURN = re.compile(r"/(?!/)[A-Za-z0-9._~/-]*", re.ASCII)
_MAX_LENGTH = 400


def endpoint(address: object, what: str) -> str:
    """Return an address of a provider when it may be asked: over TLS, or on this machine.

    Args:
        address: As configured, or as the provider's own description says it.
        what: Which address it is, for the error.

    Raises:
        ProviderError: It may not.
    """
    parts = urlsplit(address) if isinstance(address, str) and address.isascii() else None
    if parts is None or not parts.hostname or parts.username is not None or parts.fragment:
        raise ProviderError(f"the provider's {what} is not an address that can be asked")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK_NAMES):
        raise ProviderError(f"the provider's {what} is not https", hint="http is for providers on this machine")
    if is_address(parts.hostname):
        _require_reachable(parts.hostname, what)
    return parts.geturl()


def return_address(text: str) -> str:
    """Return the address to which a login may hand its one-time code: a program on the same machine, or this server.

    Args:
        text: `http://127.0.0.1:PORT/...`, or a path of this server.

    Raises:
        ReturnAddressError: It is another's.

    Source: RFC 8252, section 7.3 (loopback redirection by IP address, any port).
    """
    own = _LOOPBACK_RETURN.fullmatch(text) or _OWN_RETURN.fullmatch(text)
    if len(text) > _MAX_LENGTH or own is None or ".." in text:
        raise ReturnAddressError(
            f"a login does not return to {text[:80]!r}", hint="http://127.0.0.1:PORT/... or a path of this server"
        )
    return text


def _require_reachable(host: str, what: str) -> None:
    """Refuse IP addresses behind which no provider is, such as those of a cloud's metadata service."""
    try:
        EgressRules(any_private=True).require(host, [host])
    except ForbiddenAddressError as error:
        raise ProviderError(f"the provider's {what} leads to {host}, where no provider is") from error
