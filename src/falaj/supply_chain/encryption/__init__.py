"""Encryption of bytes at rest, and the keys to it.

A root key (a file, an HSM, a KMS) wraps one data key per tenant and jurisdiction; each object is encrypted by a key
of its own, derived from one of them. The stream's chunks cannot be changed, cut off, repeated or moved to another
object, and destroying a data key erases what it encrypted. Modules are imported at first use, since a model server
needs two of them only, and the library that does the arithmetic when it has something to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.supply_chain.encryption.aead import decrypt_value, encrypt_value
    from falaj.supply_chain.encryption.derivation import derive
    from falaj.supply_chain.encryption.errors import DamagedCiphertextError, KeyGoneError, RootKeyError
    from falaj.supply_chain.encryption.key_encryption_key import KeyEncryptionKey, open_root
    from falaj.supply_chain.encryption.keystore import Keystore
    from falaj.supply_chain.encryption.settings import Mode, home_scope, mode, open_chest
    from falaj.supply_chain.encryption.stream import DataKey, key_id_of, plain_size, seal, sealed_size, unseal
    from falaj.supply_chain.encryption.wrapped import KeyScope, KeyState, WrappedKey, merged, newest

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

__getattr__ = lazy_exports(
    __name__,
    {
        "aead": "decrypt_value encrypt_value",
        "derivation": "derive",
        "errors": "DamagedCiphertextError KeyGoneError RootKeyError",
        "key_encryption_key": "KeyEncryptionKey open_root",
        "keystore": "Keystore",
        "settings": "Mode home_scope mode open_chest",
        "stream": "DataKey key_id_of plain_size seal sealed_size unseal",
        "wrapped": "KeyScope KeyState WrappedKey merged newest",
    },
)
