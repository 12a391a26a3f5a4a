"""A root key in a file: readable by its owner alone, and sealed by a passphrase when there is one."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from falaj.supply_chain.encryption.aead import decrypt_value, encrypt_value
from falaj.supply_chain.encryption.derivation import KEY_BYTES
from falaj.supply_chain.encryption.errors import DamagedCiphertextError, RootKeyError

PASSPHRASE, PASSPHRASE_FILE = "FALAJ_ROOT_PASSPHRASE", "FALAJ_ROOT_PASSPHRASE_FILE"
_SALT_BYTES = 16


@dataclass(frozen=True)
class Cost:
    """What one guess of a passphrase costs (Argon2id, RFC 9106, its second recommended option).

    Args:
        passes: Number of passes.
        memory_kib: Memory in KiB.
        lanes: Degree of parallelism.
    """

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 4


class FileRoot:
    """A random key of 32 bytes in a file of mode 0600; with a passphrase the file holds it sealed.

    Args:
        path: The file; made at first use.
        passphrase: Gives the passphrase; None for a file without one.
        cost: Of the passphrase, when the file is made.
    """

    def __init__(self, path: Path, passphrase: Callable[[], str] | None = None, cost: Cost | None = None) -> None:
        self._path = path
        self._passphrase = passphrase
        self._cost = cost or Cost()

    @property
    def name(self) -> str:
        """`file:` and the file's name: the folder may be moved."""
        return f"file:{self._path.name}"

    def wrap(self, secret: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.wrap`."""
        return encrypt_value(self._key, secret, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """See `KeyEncryptionKey.unwrap`."""
        try:
            return decrypt_value(self._key, wrapped, context)
        except DamagedCiphertextError as error:
            raise RootKeyError(
                "this root key did not wrap that data key, or the data key was changed",
                where=str(self._path),
                hint="put back the root key that this installation began with",
            ) from error

    @cached_property
    def _key(self) -> bytes:
        if not self._path.exists():
            self._create()
        try:
            if self._path.stat().st_mode & 0o077:
                raise self._error("other users may read the root key", f"chmod 600 {self._path}")
            return self._opened(json.loads(self._path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._error(f"the root key cannot be read: {error}", "put it back from its backup") from error

    def _opened(self, document: Mapping[str, Any]) -> bytes:
        stored_key = base64.b64decode(document["key"], validate=True)
        if "salt" not in document:
            return stored_key
        if self._passphrase is None:
            raise self._error("the root key is sealed by a passphrase", f"set {PASSPHRASE_FILE} or {PASSPHRASE}")
        sealing = _stretched(self._passphrase(), base64.b64decode(document["salt"]), Cost(**document["cost"]))
        try:
            return decrypt_value(sealing, stored_key, "root")
        except DamagedCiphertextError as error:
            raise self._error("the passphrase is not that of this root key", "") from error

    def _create(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(self._document(secrets.token_bytes(KEY_BYTES)), file)
                file.flush()
                os.fsync(file.fileno())
            self._path.hardlink_to(fresh)
        except FileExistsError:
            pass  # another process was first; its key is the key
        finally:
            fresh.unlink()

    def _document(self, key: bytes) -> dict[str, Any]:
        if self._passphrase is None:
            return {"key": base64.b64encode(key).decode()}
        salt = secrets.token_bytes(_SALT_BYTES)
        sealed = encrypt_value(_stretched(self._passphrase(), salt, self._cost), key, "root")
        encoded = {"key": base64.b64encode(sealed).decode(), "salt": base64.b64encode(salt).decode()}
        return {**encoded, "kdf": "argon2id", "cost": asdict(self._cost)}

    def _error(self, message: str, hint: str) -> RootKeyError:
        return RootKeyError(message, where=str(self._path), hint=hint)


def passphrase_of(settings: Mapping[str, str]) -> Callable[[], str] | None:
    """Where the passphrase of the root key comes from: a file, or a variable; None when neither is set."""
    if path := settings.get(PASSPHRASE_FILE):
        return lambda: Path(path).read_text().rstrip("\n")
    if text := settings.get(PASSPHRASE):
        return lambda: text
    return None


def _stretched(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(passphrase.encode(), salt, cost.passes, cost.memory_kib, cost.lanes, KEY_BYTES, Type.ID)
