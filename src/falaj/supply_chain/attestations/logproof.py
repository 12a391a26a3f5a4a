"""What a verifier asks of the audit log: a signed checkpoint that continues the last one seen, holding each envelope.

The proof that comes with a bundle is
`{"checkpoint": note, "inclusion": {envelope digest: {"index", "leaf", "proof"}}, "consistency": [hash, ...]}`, hashes
in hex; `consistency` leads from the last checkpoint that the verifier saw to this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.canonical import parse
from falaj.supply_chain.attestations.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.merkle import leaf_hash, verify_consistency, verify_inclusion
from falaj.supply_chain.attestations.rules import EvidenceProblem

_WHERE = "log"


@dataclass(frozen=True)
class LogProof:
    """A believed checkpoint, and the claims that it holds envelopes, not yet checked.

    Args:
        checkpoint: The signed note.
        size: Leaves in the log.
        root: Root hash of the log.
        inclusion: By envelope digest: index, leaf text, audit path.
    """

    checkpoint: str
    size: int
    root: bytes
    inclusion: Mapping[str, Any]


def check_log(
    log: Mapping[str, Any], log_key: str | None, last_seen: str | None
) -> tuple[LogProof | None, list[EvidenceProblem]]:
    """Check the checkpoint: signed by the log, and not older or other than the last one seen.

    Args:
        log: As it came with the bundle.
        log_key: Public key of the log in PEM.
        last_seen: The last checkpoint that was believed.

    Returns:
        The proof when its checkpoint is believed, and what is wrong.
    """
    if log_key is None:
        return None, [EvidenceProblem("admission.log", _WHERE, "no key of an audit log is trusted")]
    match log:
        case {"checkpoint": str(text), "inclusion": dict(inclusion)}:
            pass
        case _:
            return None, [EvidenceProblem("admission.log", _WHERE, "there is no checkpoint of the audit log")]
    try:
        new_checkpoint = verify_checkpoint(text, log_key)
        earlier = verify_checkpoint(last_seen, log_key) if last_seen else None
    except EvidenceError as error:
        return None, [EvidenceProblem("admission.log", _WHERE, error.message)]
    proof = LogProof(text, new_checkpoint.size, new_checkpoint.root, inclusion)
    if earlier and (problem := _break(earlier, new_checkpoint, log.get("consistency", []))):
        return None, [problem]
    return proof, []


def not_in_log(envelope: str, proof: LogProof) -> str:
    """Return why the log does not hold an envelope; empty when it does.

    Args:
        envelope: Its `envelope_digest`.
        proof: A believed checkpoint with its claims.
    """
    match proof.inclusion.get(envelope):
        case {"index": int(index), "leaf": str(leaf), "proof": list(path)}:
            pass
        case _:
            return "the audit log does not show this envelope"
    try:
        leaf_document = parse(leaf.encode(), where=_WHERE)
        hashes = [bytes.fromhex(item) for item in path]
    except (EvidenceError, TypeError, ValueError):
        return "the audit log's leaf for this envelope cannot be read"
    if not isinstance(leaf_document, dict) or leaf_document.get("envelope") != envelope:
        return "the audit log's leaf is of another envelope"
    if not verify_inclusion(leaf_hash(leaf.encode()), index, proof.size, hashes, proof.root):
        return "the audit log does not hold this envelope where it says"
    return ""


def sizes(first: str | None, second: object) -> tuple[int, int]:
    """Return the sizes that two checkpoints state, unverified; 0 for one that is missing or cannot be read."""
    return _size(first), _size(second)


def _size(text: object) -> int:
    try:
        return parse_checkpoint(text).size if isinstance(text, str) else 0
    except EvidenceError:
        return 0


def _break(earlier: Checkpoint, new_checkpoint: Checkpoint, proof: object) -> EvidenceProblem | None:
    if new_checkpoint.origin != earlier.origin:
        return EvidenceProblem(
            "admission.log-fork", _WHERE, f"the checkpoint is of {new_checkpoint.origin}, not of {earlier.origin}"
        )
    if new_checkpoint.size < earlier.size:
        message = f"the audit log has {new_checkpoint.size} entries, and had {earlier.size} when it was last seen"
        return EvidenceProblem("admission.log-rollback", _WHERE, message)
    if not _continues(earlier, new_checkpoint, proof):
        message = (
            f"the audit log of {new_checkpoint.size} entries does not continue the one of {earlier.size} seen last"
        )
        return EvidenceProblem("admission.log-fork", _WHERE, message)
    return None


def _continues(earlier: Checkpoint, new_checkpoint: Checkpoint, proof: object) -> bool:
    if new_checkpoint.size == earlier.size:
        return new_checkpoint.root == earlier.root
    try:
        hashes = [bytes.fromhex(item) for item in proof] if isinstance(proof, list) else []
    except (TypeError, ValueError):
        return False
    return verify_consistency(earlier.size, new_checkpoint.size, earlier.root, new_checkpoint.root, hashes)
