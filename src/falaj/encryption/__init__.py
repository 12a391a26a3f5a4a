"""Encryption of bytes at rest, and the keys to it.

A root key (a file, an HSM, a KMS) wraps one data key per tenant and jurisdiction; each object is encrypted by a key
of its own, derived from one of them. The stream's chunks cannot be changed, cut off, repeated or moved to another
object, and destroying a data key erases what it encrypted. The library that does the arithmetic is imported at first
use.
"""

from falaj.encryption.box import open_box, seal_box
from falaj.encryption.chest import KeyChest
from falaj.encryption.derivation import derive
from falaj.encryption.errors import DamagedCiphertextError, KeyGoneError, RootKeyError
from falaj.encryption.root import RootKey, open_root
from falaj.encryption.settings import Mode, home_scope, mode, open_chest
from falaj.encryption.stream import DataKey, key_id_of, plain_size, seal, sealed_size, unseal
from falaj.encryption.wrapped import KeyState, Scope, WrappedKey, merged, newest

__all__ = [
    "DamagedCiphertextError",
    "DataKey",
    "KeyChest",
    "KeyGoneError",
    "KeyState",
    "Mode",
    "RootKey",
    "RootKeyError",
    "Scope",
    "WrappedKey",
    "derive",
    "home_scope",
    "key_id_of",
    "merged",
    "mode",
    "newest",
    "open_box",
    "open_chest",
    "open_root",
    "plain_size",
    "seal",
    "seal_box",
    "sealed_size",
    "unseal",
]
