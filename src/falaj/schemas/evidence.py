"""What travels about the evidence of releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReleaseBundle:
    """Everything signed about a release, and the audit log's proof that it holds each of it.

    `evidence` are DSSE envelopes: of the run, and of what people and the control plane decided. `log` is the newest
    checkpoint with inclusion proofs, empty while nothing was logged. `model_signature` is the OpenSSF signature.
    """

    evidence: list[dict[str, Any]]
    log: dict[str, Any]
    model_signature: dict[str, Any]
