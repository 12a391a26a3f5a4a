"""What a provider's ID token must say, and whom it speaks of. Pure: the signature was verified before.

Source: OpenID Connect Core 1.0, section 3.1.3.7.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from falaj.trust.identity.federation.errors import TokenRefusedError

LEEWAY_S = 30.0
"""How far the clocks of the provider and of the platform may differ."""

MAX_AGE_S = 600.0
"""How old an ID token may be: it is fetched by the platform itself, seconds after it was made."""

_MAX_SUBJECT = 255
_MAX_GROUPS = 500
_MAX_GROUP = 100


@dataclass(frozen=True)
class Expected:
    """What a token must have been made for.

    Args:
        issuer: The configured provider.
        client_id: The platform, as the provider knows it.
        nonce: What the login was begun with.
    """

    issuer: str
    client_id: str
    nonce: str


@dataclass(frozen=True)
class Person:
    """Whom a provider vouches for.

    Args:
        issuer: The provider.
        subject: The person there; with the issuer the only thing that never changes.
        name: What the provider calls the person; empty for nothing.
        email: Verified address; None when there is none, or it is not verified.
        groups: Groups that the provider says.
        proved_at: When the person last proved it to the provider, unix seconds; None when it does not say.
    """

    issuer: str
    subject: str
    name: str = ""
    email: str | None = None
    groups: tuple[str, ...] = field(default=())
    proved_at: float | None = None


def check(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """Refuse a token that was not made for this login, here and now.

    Args:
        claims: Of a token whose signature is the provider's.
        expected: What it must have been made for.
        now: Unix seconds.

    Raises:
        TokenRefusedError: Names the claim that does not hold.
    """
    if claims.get("iss") != expected.issuer:
        raise refused("it is of another issuer")
    _check_audience(claims, expected.client_id)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise refused("it is of another login")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or "\0" in subject:
        raise refused("it names nobody")


def person_of(claims: Mapping[str, Any], group_claim: str) -> Person:
    """Return whom checked claims speak of.

    Args:
        claims: That `check` accepted.
        group_claim: Name of the claim that lists groups.
    """
    email, name, proved_at = claims.get("email"), claims.get("preferred_username"), claims.get("auth_time")
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Person(
        issuer=claims["iss"],
        subject=claims["sub"],
        name=name if isinstance(name, str) else "",
        email=email if verified else None,
        groups=_groups(claims.get(group_claim)),
        proved_at=float(proved_at) if proved_at is not None else None,
    )


def refused(why: str) -> TokenRefusedError:
    """The refusal of a token."""
    return TokenRefusedError(f"the provider's token is not accepted: {why}")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise refused("it is for another audience")
    party = claims.get("azp")
    if (party is not None or len(audiences) > 1) and party != client_id:
        raise refused("it was asked for by another party")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if _time(claims, "exp", required=True) <= now - LEEWAY_S:
        raise refused("it has expired")
    if not now - MAX_AGE_S <= _time(claims, "iat", required=True) <= now + LEEWAY_S:
        raise refused("it was not made just now")
    if _time(claims, "nbf") > now + LEEWAY_S:
        raise refused("it is not valid yet")
    if _time(claims, "auth_time") > now + LEEWAY_S:
        raise refused("it says that the person proved it in the future")


def _time(claims: Mapping[str, Any], name: str, *, required: bool = False) -> float:
    value = claims.get(name)
    if value is None and not required:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e11 or not math.isfinite(value):
        raise refused(f"'{name}' is not a time")
    return float(value)


def _groups(claim_value: object) -> tuple[str, ...]:
    """Groups that can be written down; what is none grants nothing."""
    listed = [claim_value] if isinstance(claim_value, str) else claim_value if isinstance(claim_value, list) else []
    good = {group for group in listed if isinstance(group, str) and 0 < len(group) <= _MAX_GROUP}
    return tuple(sorted(group for group in good if group.isprintable())[:_MAX_GROUPS])
