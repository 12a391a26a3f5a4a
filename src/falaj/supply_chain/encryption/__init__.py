"""Encryption of bytes at rest, and the keys to it.

A root key (a file, an HSM, a KMS) wraps one data key per tenant and jurisdiction; each object is encrypted by a key
of its own, derived from one of them. The stream's chunks cannot be changed, cut off, repeated or moved to another
object, and destroying a data key erases what it encrypted. Modules are imported at first use, since a model server
needs two of them only, and the library that does the arithmetic when it has something to do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falaj.supply_chain.encryption.aead import decrypt_value, encrypt_value
    from falaj.supply_chain.encryption.derivation import derive
    from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError, RootKeyError
    from falaj.supply_chain.encryption.key_encryption_key import KeyEncryptionKey, open_root
    from falaj.supply_chain.encryption.keystore import Keystore
    from falaj.supply_chain.encryption.settings import Mode, home_scope, mode, open_chest
    from falaj.supply_chain.encryption.stream import DataKey, key_id_of, plain_size, seal, sealed_size, unseal
    from falaj.supply_chain.encryption.wrapped import KeyScope, KeyState, WrappedKey, merged, newest

_HOMES = {
    "decrypt_value": "falaj.supply_chain.encryption.aead",
    "encrypt_value": "falaj.supply_chain.encryption.aead",
    "Keystore": "falaj.supply_chain.encryption.keystore",
    "derive": "falaj.supply_chain.encryption.derivation",
    "DamagedCiphertextError": "falaj.supply_chain.encryption.errors",
    "KeyGoneError": "falaj.supply_chain.encryption.errors",
    "RootKeyError": "falaj.supply_chain.encryption.errors",
    "KeyEncryptionKey": "falaj.supply_chain.encryption.key_encryption_key",
    "open_root": "falaj.supply_chain.encryption.key_encryption_key",
    "Mode": "falaj.supply_chain.encryption.settings",
    "home_scope": "falaj.supply_chain.encryption.settings",
    "mode": "falaj.supply_chain.encryption.settings",
    "open_chest": "falaj.supply_chain.encryption.settings",
    "DataKey": "falaj.supply_chain.encryption.stream",
    "key_id_of": "falaj.supply_chain.encryption.stream",
    "plain_size": "falaj.supply_chain.encryption.stream",
    "seal": "falaj.supply_chain.encryption.stream",
    "sealed_size": "falaj.supply_chain.encryption.stream",
    "unseal": "falaj.supply_chain.encryption.stream",
    "KeyState": "falaj.supply_chain.encryption.wrapped",
    "KeyScope": "falaj.supply_chain.encryption.wrapped",
    "WrappedKey": "falaj.supply_chain.encryption.wrapped",
    "merged": "falaj.supply_chain.encryption.wrapped",
    "newest": "falaj.supply_chain.encryption.wrapped",
}

__all__ = [
    "DamagedCiphertextError",
    "DataKey",
    "KeyEncryptionKey",
    "KeyGoneError",
    "KeyScope",
    "KeyState",
    "Keystore",
    "Mode",
    "RootKeyError",
    "WrappedKey",
    "decrypt_value",
    "derive",
    "encrypt_value",
    "home_scope",
    "key_id_of",
    "merged",
    "mode",
    "newest",
    "open_chest",
    "open_root",
    "plain_size",
    "seal",
    "sealed_size",
    "unseal",
]


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
