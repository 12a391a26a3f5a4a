"""Checking an export of the audit log with the verifier's own code; `auditors/verify_log.py` does it without."""

from __future__ import annotations

import json
from pathlib import Path

from falaj.evidence.checkpoint import verify_checkpoint
from falaj.evidence.errors import EvidenceError
from falaj.evidence.merkle import leaf_hash, root


def verify_export(folder: Path, public_pem: str) -> int:
    """Check every checkpoint of an export against its leaves.

    Args:
        folder: As `falaj audit export` writes it.
        public_pem: The log's public key.

    Returns:
        The number of entries.

    Raises:
        EvidenceError: It is not what was signed (`audit.log`).
    """
    try:
        leaves = [leaf_hash(line) for line in (folder / "leaves.jsonl").read_bytes().split(b"\n")[:-1]]
        texts = [json.loads(line)["text"] for line in (folder / "checkpoints.jsonl").read_text().splitlines()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _wrong(f"the export cannot be read: {error}", folder) from error
    found = [verify_checkpoint(text, public_pem) for text in texts]
    if not found or found[-1].size != len(leaves):
        raise _wrong(f"no checkpoint covers the {len(leaves)} entries", folder)
    for checkpoint in found:
        if root(leaves[: checkpoint.size]) != checkpoint.root:
            raise _wrong(f"the first {checkpoint.size} entries are not those that were signed", folder)
    return len(leaves)


def _wrong(message: str, folder: Path) -> EvidenceError:
    return EvidenceError(message, where=str(folder), code="audit.log")
