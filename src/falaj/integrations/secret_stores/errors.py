"""What can go wrong with stores of secrets.

UsageError        ├── SecretStoreError          secret-store.refused
                  └── MissingStoredSecretError  secret-store.missing
UnavailableError  └── SecretStoreAwayError      secret-store.unavailable
"""

from __future__ import annotations

from falaj.core.errors import UnavailableError, UsageError


class SecretStoreError(UsageError):
    """The store of a secret does not let the platform in, or not read it."""

    code = "secret-store.refused"


class MissingStoredSecretError(UsageError):
    """The store has no such secret or field, or its newest version was deleted."""

    code = "secret-store.missing"


class SecretStoreAwayError(UnavailableError):
    """The store of a secret is sealed, or does not answer."""

    code = "secret-store.unavailable"
