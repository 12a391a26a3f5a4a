"""Where git connects to: a repository's host is looked up once and judged, and git goes to what was judged."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from falaj.core.egress import OWN_MACHINE, EgressRules, Resolver, destination, is_proxied, numeric, resolve
from falaj.integrations.git.errors import GitUnavailableError
from falaj.integrations.git.ref_validation import redact, remote_host


def settings_of(url: str, rules: EgressRules = OWN_MACHINE, resolver: Resolver = resolve) -> tuple[str, ...]:
    """Settings with which git connects to the addresses that were judged, whatever the name means a moment later.

    ssh has its own configuration for names, which may be no names of DNS at all: a name that can be looked up is
    judged, and ssh looks it up again.

    Args:
        url: A repository's URL that `require_url` accepts.
        rules: What the platform connects to.
        resolver: Finds addresses.

    Raises:
        ForbiddenAddressError: The host leads where the platform does not connect to (`egress.address`).
        GitUnavailableError: It has no address (`git.failed`).
    """
    remote = remote_host(url)
    if not remote or is_proxied(remote):
        return ()
    is_ssh = urlsplit(remote).scheme == "ssh"
    try:
        target = destination(remote, rules, resolver)
    except OSError as error:
        if is_ssh:
            return ()
        raise GitUnavailableError("the host has no address", where=redact(url), code="git.failed") from error
    if is_ssh or ":" in target.host:
        return ()
    addresses = ",".join(f"[{each}]" if ":" in each else each for each in target.addresses)
    return (f"http.curloptResolve={target.host}:{target.port}:{addresses}",)


def require_permitted(url: str, rules: EgressRules = OWN_MACHINE) -> None:
    """Refuse a repository whose host is written as an address that is never connected to; names are judged when used.

    Raises:
        ForbiddenAddressError: The platform does not connect there (`egress.address`).
    """
    with suppress(GitUnavailableError):
        settings_of(url, rules, numeric)
