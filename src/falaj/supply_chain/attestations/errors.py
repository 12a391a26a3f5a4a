"""Why a piece of evidence is not believed."""

from __future__ import annotations

from falaj.core.errors import IntegrityError


class EvidenceError(IntegrityError):
    """Bytes that claim to be evidence are malformed, unsigned or signed by the wrong key.

    Codes: `evidence.malformed`, `evidence.not-canonical`, `evidence.signature`, `evidence.untrusted-key`,
    `evidence.wrong-signer`, `evidence.unknown-predicate`, `evidence.key`, `evidence.bundle`, `evidence.checkpoint`.
    """

    code = "evidence.malformed"
