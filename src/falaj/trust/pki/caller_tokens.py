"""Tokens of callers of endpoints: JSON Web Tokens that a gateway checks by itself (RFC 7519, ES256).

A token says who asks, by a pseudonym, and until when it is good; which endpoint the caller was added to, and whether it
still may ask, is the gateway's list. The private key stays with the installation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from falaj.supply_chain.attestations.keys import create_once
from falaj.supply_chain.certificates.names import own_caller

FILE = "callers.pem"
ISSUER = "falaj"
OWN_LIFE_S = 600.0
"""How long a token is good that the installation makes for its own commands; they make one at each use."""


@dataclass(frozen=True)
class CallerKey:
    """The key that signs tokens of callers.

    Args:
        pem: The private key (PKCS#8).
    """

    pem: bytes

    @cached_property
    def _key(self) -> ECKey:
        return ECKey.import_key(self.pem)

    @cached_property
    def _id(self) -> str:
        return self._key.thumbprint()

    @property
    def jwks(self) -> Mapping[str, Any]:
        """The public key, as gateways are told it (RFC 7517)."""
        return {"keys": [{**self._key.as_dict(private=False), "kid": self._id, "alg": "ES256", "use": "sig"}]}

    def token(self, caller: str, now: float, expires_at: float) -> str:
        """Make a token.

        Args:
            caller: Pseudonym of the caller.
            now: Unix seconds.
            expires_at: Until when it is good, unix seconds.
        """
        claims = {"iss": ISSUER, "sub": caller, "iat": int(now), "exp": int(expires_at)}
        return jwt.encode({"alg": "ES256", "kid": self._id, "typ": "JWT"}, claims, self._key)

    def own_token(self, endpoint: str, now: float) -> str:
        """Make a token for a command of whoever has this key."""
        return self.token(own_caller(endpoint), now, now + OWN_LIFE_S)


def open_caller_key(folder: Path) -> CallerKey:
    """Open the key of an installation; it is made the first time.

    Args:
        folder: `keys/` of the installation.

    Raises:
        EvidenceError: Others may read it (`evidence.key`).
    """
    return CallerKey(create_once(folder / FILE, lambda: ECKey.generate_key("P-256", private=True).as_pem(private=True)))
