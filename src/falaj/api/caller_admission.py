"""What the gateway of a location is told of callers: who may ask which endpoint, how they are told apart, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.control.releases import callers
from falaj.dataplane.callers import DEFAULT_PER_SECOND, Admittance, CallerPolicy, CallerTrust, Door, EndpointCallers
from falaj.storage import EndpointRow
from falaj.supply_chain.certificates.names import own_caller
from falaj.trust import settings


def of_location(session: Session, platform: Platform, location: str, rows: Iterable[EndpointRow]) -> Admittance:
    """Who may ask the endpoints of a location.

    Args:
        session: For reading.
        platform: Its keys and its authority.
        location: Whose gateway it is.
        rows: Its endpoints.
    """
    spec = settings.current(session).locations.get(location)
    door = Door(**asdict(spec.listen)) if spec is not None and spec.listen is not None else None
    authority = platform.authority
    provider_settings = settings.current(session).identity.get("callers")
    provider = platform.caller_provider.issuer(provider_settings)
    entry = CallerTrust(platform.caller_key.jwks, authority.pem, authority.trust_domain, door, provider)
    audience = provider_settings["audience"] if provider_settings else ""
    endpoints = {f"{row.environment}/{row.model}": _of(session, row, platform.now(), audience) for row in rows}
    return Admittance(entry, endpoints)


def _of(session: Session, row: EndpointRow, now: float, audience: str) -> EndpointCallers:
    """Those of one endpoint; the installation's own people are among them."""
    policy = row.plan.get("callers")
    added = sorted(each.id for each in callers.active(session, row.environment, row.model, now))
    return EndpointCallers(
        CallerPolicy(policy) if policy else None,
        (own_caller(f"{row.environment}/{row.model}"), *added),
        int(row.plan.get("per_caller") or DEFAULT_PER_SECOND),
        audience.replace("{endpoint}", f"{row.environment}/{row.model}"),
    )
