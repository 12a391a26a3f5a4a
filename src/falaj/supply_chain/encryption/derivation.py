"""HKDF with SHA-256: many keys from one (pure)."""

from __future__ import annotations

import hmac

KEY_BYTES = 32


def derive(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    """Derive a 32-byte key.

    Args:
        secret: The key to derive from.
        salt: Random and public; another salt gives an unrelated key.
        purpose: What the derived key is for; another purpose gives an unrelated key.

    Source: RFC 5869 with SHA-256 and an output of one block.
    """
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")
