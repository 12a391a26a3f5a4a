"""What can go wrong with encrypted bytes and with the keys to them.

IntegrityError      └── DamagedCiphertextError  encryption.damaged
NotFoundError       └── KeyGoneError            encryption.key-destroyed, encryption.key-unknown
UnavailableError    └── RootKeyError            encryption.root-key
"""

from __future__ import annotations

from falaj.core.errors import IntegrityError, NotFoundError, UnavailableError


class DamagedCiphertextError(IntegrityError):
    """Encrypted bytes were changed, cut off, repeated, or moved to where they do not belong."""

    code = "encryption.damaged"


class KeyGoneError(NotFoundError):
    """The key to encrypted bytes was destroyed, so nobody can read them; or this installation never had it."""

    code = "encryption.key-destroyed"


class RootKeyError(UnavailableError):
    """The root key, which opens all other keys, is unavailable or is another one."""

    code = "encryption.root-key"
