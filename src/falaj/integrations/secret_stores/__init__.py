"""Secrets that stay where they are: read from a vault or a folder when they are needed, and kept in memory alone."""

from __future__ import annotations

from falaj.integrations.secret_stores.errors import MissingStoredSecretError, SecretStoreAwayError, SecretStoreError
from falaj.integrations.secret_stores.reading import read_secrets
from falaj.integrations.secret_stores.stored_secret import StoredSecret

__all__ = [
    "MissingStoredSecretError",
    "SecretStoreAwayError",
    "SecretStoreError",
    "StoredSecret",
    "read_secrets",
]
