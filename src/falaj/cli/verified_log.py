"""Checking an export of the audit log with the verifier's own code; `auditors/verify_log.py` does it without."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from falaj.supply_chain.attestations.checkpoint import verify_checkpoint
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.merkle import leaf_hash, roots_at


def verify_export(folder: Path, public_pem: str) -> int:
    """Check every checkpoint of an export against its leaves, and every detail against its leaf.

    Args:
        folder: As `falaj audit export` writes it.
        public_pem: The log's public key.

    Returns:
        The number of entries.

    Raises:
        EvidenceError: It is not what was signed (`audit.log`).
    """
    try:
        leaves = (folder / "leaves.jsonl").read_bytes().split(b"\n")[:-1]
        texts = [row["text"] for row in _rows(folder / "checkpoints.jsonl")]
        hidden = [json.loads(leaf)["details"] for leaf in leaves]
        details = {row["index"]: _salted(row) for row in _rows(folder / "details.jsonl")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _wrong(f"the export cannot be read: {error}", folder) from error
    checkpoints = [verify_checkpoint(text, public_pem) for text in texts]
    if not checkpoints or checkpoints[-1].size != len(leaves):
        raise _wrong(f"no checkpoint covers the {len(leaves)} entries", folder)
    roots = roots_at({each.size for each in checkpoints}, map(leaf_hash, leaves))
    for checkpoint in checkpoints:
        if roots.get(checkpoint.size) != checkpoint.root:
            raise _wrong(f"the first {checkpoint.size} entries are not those that were signed", folder)
    for index, entry_detail in details.items():
        if not 0 <= index < len(leaves) or hidden[index] != entry_detail:
            raise _wrong(f"the details of entry {index} are not those that were logged", folder)
    return len(leaves)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def _salted(row: dict[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(bytes.fromhex(row["salt"]) + row["text"].encode()).hexdigest()


def _wrong(message: str, folder: Path) -> EvidenceError:
    return EvidenceError(message, where=str(folder), code="audit.log")
