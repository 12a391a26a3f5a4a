"""Small sealed values: data keys, secrets of steps."""

from __future__ import annotations

import os

from falaj.supply_chain.encryption.errors import DamagedCiphertextError

_NONCE_BYTES = 12


def encrypt_value(key: bytes, value: bytes, context: str) -> bytes:
    """Encrypt a small value under a random nonce.

    Args:
        key: 32 bytes; good for some billions of values, after which random nonces could repeat (NIST SP 800-38D, 8.3).
        value: What to hide.
        context: What it is; it opens in no other context.

    Returns:
        Nonce, ciphertext and tag.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, context.encode())


def decrypt_value(key: bytes, sealed: bytes, context: str) -> bytes:
    """Decrypt what `encrypt_value` gave.

    Raises:
        DamagedCiphertextError: Other bytes, another key or another context.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except Exception as error:  # InvalidTag, or ValueError of bytes that are too short
        raise DamagedCiphertextError("the sealed value was changed, or belongs elsewhere", where=context) from error
