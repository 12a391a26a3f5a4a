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
    from falaj.encryption.box import open_box, seal_box
    from falaj.encryption.chest import KeyChest
    from falaj.encryption.derivation import derive
    from falaj.encryption.errors import DamagedCiphertextError, KeyGoneError, RootKeyError
    from falaj.encryption.root import RootKey, open_root
    from falaj.encryption.settings import Mode, home_scope, mode, open_chest
    from falaj.encryption.stream import DataKey, key_id_of, plain_size, seal, sealed_size, unseal
    from falaj.encryption.wrapped import KeyState, Scope, WrappedKey, merged, newest

_HOMES = {
    "open_box": "falaj.encryption.box",
    "seal_box": "falaj.encryption.box",
    "KeyChest": "falaj.encryption.chest",
    "derive": "falaj.encryption.derivation",
    "DamagedCiphertextError": "falaj.encryption.errors",
    "KeyGoneError": "falaj.encryption.errors",
    "RootKeyError": "falaj.encryption.errors",
    "RootKey": "falaj.encryption.root",
    "open_root": "falaj.encryption.root",
    "Mode": "falaj.encryption.settings",
    "home_scope": "falaj.encryption.settings",
    "mode": "falaj.encryption.settings",
    "open_chest": "falaj.encryption.settings",
    "DataKey": "falaj.encryption.stream",
    "key_id_of": "falaj.encryption.stream",
    "plain_size": "falaj.encryption.stream",
    "seal": "falaj.encryption.stream",
    "sealed_size": "falaj.encryption.stream",
    "unseal": "falaj.encryption.stream",
    "KeyState": "falaj.encryption.wrapped",
    "Scope": "falaj.encryption.wrapped",
    "WrappedKey": "falaj.encryption.wrapped",
    "merged": "falaj.encryption.wrapped",
    "newest": "falaj.encryption.wrapped",
}

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


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
