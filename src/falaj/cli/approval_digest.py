"""Whether what is to be signed is what a person saw, in the web UI or on another machine (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from falaj.core.errors import ConflictError, UsageError
from falaj.supply_chain.attestations.canonical import canonical

_HEX = 64


def digest_of_approval(approval: Mapping[str, object]) -> str:
    """SHA-256 in hex of the canonical form (RFC 8785) of an approval, without the moment at which it is signed."""
    lasting = {name: value for name, value in approval.items() if name != "approved_at"}
    return hashlib.sha256(canonical(lasting)).hexdigest()


def require_expected(approval: Mapping[str, object], expected: str) -> None:
    """Refuse an approval that is not the one that a person saw.

    Raises:
        UsageError: What is expected is not a SHA-256 (`change.expect`).
        ConflictError: Something of it is another now (`change.other-approval`); nothing was signed.
    """
    digest = expected.strip().lower().removeprefix("sha256:")
    if len(digest) != _HEX or set(digest) - set("0123456789abcdef"):
        raise UsageError(f"'{expected[:80]}' is not a SHA-256 in hex", where="--expect", code="change.expect")
    actual = digest_of_approval(approval)
    if digest != actual:
        raise ConflictError(
            "what you would sign is not what you saw; nothing was signed",
            where=f"SHA-256 {actual}",
            hint="look at the change again, and approve it by its new SHA-256",
            code="change.other-approval",
        )
