"""The root key: the one key that is not kept by Falaj itself, and opens all others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from falaj.core.errors import UsageError
from falaj.supply_chain.encryption.file_root import FileRoot, passphrase_of
from falaj.supply_chain.encryption.kms_root import open_kms
from falaj.supply_chain.encryption.pkcs11_root import open_token

SETTING = "FALAJ_ROOT_KEY"


class KeyEncryptionKey(Protocol):
    """Encrypts and decrypts data keys. Where it lives is its own affair; it never leaves an HSM or a KMS.

    Attributes:
        name: Says which root key it is, without anything secret; kept with every key that it wrapped.
    """

    @property
    def name(self) -> str:
        """Says which root key it is."""
        ...

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Encrypt a data key.

        Args:
            secret: The data key.
            context: What it is for; it unwraps in no other context.

        Raises:
            RootKeyError: The root key is unavailable.
        """
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Decrypt a data key.

        Raises:
            RootKeyError: The root key is unavailable, or did not wrap this in this context.
        """
        ...


def open_root(address: str, folder: Path, settings: Mapping[str, str]) -> KeyEncryptionKey:
    """Find the root key that an address names; nothing is asked of it yet.

    Args:
        address: `file:/path` (made at first use), `pkcs11:token=...;object=...?module-path=...&pin-source=file:...`
            (RFC 7512) or `awskms:KEY?region=...&endpoint=...`; empty for `root.key` in the folder.
        folder: Where this installation keeps its keys.
        settings: Environment variables; the file takes its passphrase from one of them.

    Raises:
        UsageError: `encryption.bad-root-key`.
    """
    scheme, _, rest = address.partition(":")
    if not address or (scheme == "file" and rest):
        return FileRoot(Path(rest) if rest else folder / "root.key", passphrase_of(settings))
    if scheme == "pkcs11":
        return open_token(address)
    if scheme == "awskms":
        return open_kms(address)
    raise UsageError(
        f"{scheme!r} is not a kind of root key",
        where=SETTING,
        hint="use file:/path, pkcs11:token=...;object=... or awskms:KEY",
        code="encryption.bad-root-key",
    )
