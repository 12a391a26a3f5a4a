"""The provider's keys, and tokens signed by them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from falaj.trust.identity.federation.claims import refused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures by a private key alone: neither `none`, nor a secret that a public key could be taken for."""

REFRESH_S = 60.0
"""An unknown key makes the platform ask for the provider's keys at most so often."""

KEEP_S = 3600.0
"""After so long the keys are asked for again, so that one that the provider withdrew does not stay."""

_KEY_TYPES = {"RSA": RSAKey, "EC": ECKey}
_MAX_TOKEN = 100_000
_MAX_KEYS = 100

Key = RSAKey | ECKey
Header = Mapping[str, Any]


class KeyCache:
    """The provider's public keys.

    Args:
        fetch: Asks the provider for its key set.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: tuple[Mapping[str, Any], ...] = ()
        self._asked_at = float("-inf")

    def key_for(self, header: Header, now: float) -> Key:
        """Return the key that a token's header names.

        Args:
            header: Of the token.
            now: Unix seconds.

        Raises:
            TokenRefusedError: There is none.
            ProviderError: The provider does not tell its keys.
        """
        with self._lock:
            signing_key = None if now - self._asked_at > KEEP_S else _select(self._keys, header)
            if signing_key is None and not 0 <= now - self._asked_at < REFRESH_S:
                self._asked_at = now  # also when it fails: a provider that is down is not asked by every login
                self._keys = usable(self._fetch())
                signing_key = _select(self._keys, header)
        if signing_key is None:
            raise refused("it is signed by an unknown key")
        return _imported(signing_key)


def verify(token: object, keys: KeyCache, now: float) -> dict[str, Any]:
    """Return the claims of a token that one of the provider's keys signed; nobody has judged them yet.

    Raises:
        TokenRefusedError: It is no token, or the signature is not the provider's.
        ProviderError: The provider does not tell its keys.

    Source: RFC 8725, sections 3.1 to 3.3.
    """
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or not token.isascii():
        raise refused("there is none")
    header = _header(token)
    if header.get("alg") not in ALGORITHMS:
        raise refused("it is not signed by an algorithm that counts")
    key = keys.key_for(header, now)
    try:
        return dict(jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims)
    except (JoseError, ValueError, RecursionError) as error:
        raise refused("its signature does not hold") from error


def _header(token: str) -> Header:
    try:
        part = token.split(".")[0]
        header_fields = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        header_fields = None
    if not isinstance(header_fields, dict):
        raise refused("it is not a token")
    return header_fields


def usable(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Public keys that sign; a symmetric key in the set is nobody's proof."""
    listed = document.get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    return tuple(key for key in keys if key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig")[:_MAX_KEYS]


def _select(keys: tuple[Mapping[str, Any], ...], header: Header) -> Mapping[str, Any] | None:
    """The key of this id, or the only one when the token names none; a key that says its algorithm has that one."""
    kid = header.get("kid")
    named = [key for key in keys if key.get("kid") == kid] if kid is not None else list(keys)
    fitting = [key for key in named if key.get("alg", header["alg"]) == header["alg"]]
    return fitting[0] if len(fitting) == 1 else None


def _imported(key: Mapping[str, Any]) -> Key:
    public = {name: value for name, value in key.items() if name in {"kty", "kid", "n", "e", "crv", "x", "y"}}
    try:
        return RSAKey.import_key(public) if key["kty"] == "RSA" else ECKey.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise refused("the provider's key cannot be read") from error
