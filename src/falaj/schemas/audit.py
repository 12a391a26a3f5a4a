"""What travels of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class AuditEntry:
    """An entry; `details` is None where it was erased, `envelope` the digest of a signed statement that it shows."""

    index: int
    at: float
    kind: str
    actor: str
    subject: str
    outcome: states.AuditOutcome
    details: dict[str, Any] | None
    envelope: str | None


@dataclass(frozen=True)
class LogCheckpoint:
    """A signed checkpoint, and the public key that signed it; whoever verifies gets the key from someone else."""

    text: str
    public_key: str


@dataclass(frozen=True)
class LogConsistency:
    """Hashes, in hex, that prove that a log continues a shorter one; empty where there is nothing to prove."""

    proof: list[str]


@dataclass(frozen=True)
class AuditEntryProof:
    """An entry, the leaf that stands for it in the log as it is hashed, and hashes, in hex, that lead to the root."""

    entry: AuditEntry
    leaf: str
    proof: list[str]


@dataclass(frozen=True)
class Erased:
    """How many entries lost their details by their number, and whether a person was known and is forgotten."""

    entries: int
    forgotten: bool
