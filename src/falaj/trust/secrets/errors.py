"""What can go wrong with keys and secrets.

NotFoundError  ├── UnknownKeyError     keys.unknown
               └── UnknownSecretError  secret.unknown
UsageError     └── BadSecretError      secret.too-short
"""

from __future__ import annotations

from falaj.core.errors import NotFoundError, UsageError


class UnknownKeyError(NotFoundError):
    """There is no data key of that id."""

    code = "keys.unknown"


class UnknownSecretError(NotFoundError):
    """The project has no secret of that name."""

    code = "secret.unknown"


class BadSecretError(UsageError):
    """The value cannot be kept as a secret: it is so short that it could not be hidden in logs."""

    code = "secret.too-short"
