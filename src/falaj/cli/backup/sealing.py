"""The passphrase of a backup: what it encrypts, and what it proves."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from falaj.cli.backup.errors import BackupDamagedError
from falaj.core.errors import UsageError

LEAST_CHARACTERS = 12
SALT_BYTES = 16
_NONCE_BYTES = 12
_N, _R, _P = 1 << 15, 8, 1
_PURPOSE = b"falaj/backup/v1"


@dataclass(frozen=True)
class BackupKeys:
    """Two keys of a passphrase, one that encrypts and one that authenticates."""

    encrypts: bytes
    proves: bytes

    @classmethod
    def of(cls, passphrase: str, salt: bytes) -> BackupKeys:
        """Derive the keys (scrypt, RFC 7914; N=32768, r=8, p=1).

        Raises:
            UsageError: The passphrase is too short (`backup.passphrase-short`).
        """
        if len(passphrase) < LEAST_CHARACTERS:
            raise UsageError(f"a passphrase has {LEAST_CHARACTERS} characters or more", code="backup.passphrase-short")
        keys = hashlib.scrypt(passphrase.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=1 << 26, dklen=64)
        return cls(keys[:32], keys[32:])

    def encrypt(self, content: bytes) -> bytes:
        """Encrypt (AES-256-GCM); the nonce comes first."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.encrypts).encrypt(nonce, content, _PURPOSE)

    def decrypt(self, content: bytes) -> bytes:
        """The content again.

        Raises:
            BackupDamagedError: It was not encrypted so.
        """
        try:
            return AESGCM(self.encrypts).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], _PURPOSE)
        except (InvalidTag, ValueError) as error:
            raise BackupDamagedError("the secrets of the backup are damaged") from error

    def mac(self, content: bytes) -> bytes:
        """What proves a content: HMAC-SHA256."""
        return hmac.digest(self.proves, _PURPOSE + content, "sha256")
