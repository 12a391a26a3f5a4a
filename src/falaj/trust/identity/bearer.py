"""The form of the secrets that people and programs carry: `falaj-<kind>.<id>.<secret>`.

The secret has 256 random bits, so the platform keeps its plain SHA-256: nothing slower makes it harder to guess. The id
finds the row; the digest is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

_SECRET_BYTES = 32
_MAX_LENGTH = 200


class BearerKind(StrEnum):
    """What a bearer secret stands for."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105
    LINK = "link"
    ENROL = "enrol"


@dataclass(frozen=True)
class Bearer:
    """A parsed bearer secret.

    Args:
        kind: What it stands for.
        id: Finds the row.
        secret: What only the holder knows.
    """

    kind: BearerKind
    id: str
    secret: str

    def __str__(self) -> str:
        """Return the text that travels."""
        return f"falaj-{self.kind}.{self.id}.{self.secret}"

    def __repr__(self) -> str:
        """Leave the secret out, so that no log and no traceback holds it."""
        return f"Bearer({self.kind}, {self.id})"

    @property
    def digest(self) -> str:
        """SHA-256 of the secret in hex, as it is stored."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def holds(self, digest: str) -> bool:
        """Tell whether this secret is the one with the stored digest, in constant time."""
        return hmac.compare_digest(self.digest, digest)


def new_bearer(kind: BearerKind, name: str) -> Bearer:
    """Make a bearer secret with 256 random bits for the row of this id."""
    return Bearer(kind, name, secrets.token_urlsafe(_SECRET_BYTES))


def parse_bearer(text: str) -> Bearer | None:
    """Parse what someone offered; None when it is no bearer secret of ours."""
    if len(text) > _MAX_LENGTH or not text.isascii():
        return None
    match text.split("."):
        case [head, name, secret] if head.startswith("falaj-") and name and secret:
            kind = head.removeprefix("falaj-")
            return Bearer(BearerKind(kind), name, secret) if kind in set(BearerKind) else None
        case _:
            return None
