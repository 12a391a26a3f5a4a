"""Checkpoints and proofs of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import AuditCheckpointRow, AuditHeadRow, AuditLeafRow
from falaj.supply_chain.attestations import Signer, envelope_digest
from falaj.supply_chain.attestations.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from falaj.supply_chain.attestations.merkle import EMPTY_ROOT
from falaj.trust.audit import log, pending_entries, tree
from falaj.trust.audit.nodes import read_nodes


def size_of(session: Session) -> int:
    """How many entries there are."""
    return int(session.scalars(select(AuditHeadRow.size)).one())


def checkpoint(session: Session, signer: Signer, now: float) -> str:
    """Sign how long the log is and what its root is; a log that has not grown keeps its checkpoint.

    Args:
        session: The transaction that keeps it.
        signer: The log's key.
        now: Unix seconds.

    Returns:
        A C2SP tlog-checkpoint as a signed note.

    Raises:
        FactMissingError: The end of the log was cut off or replaced (`facts.missing`).
    """
    pending_entries.write(session)
    session.flush()
    size = session.scalars(select(AuditHeadRow.size).with_for_update()).one()
    log.require_continued(session, size)
    checkpoint_row = session.get(AuditCheckpointRow, size)
    if checkpoint_row is not None:
        return checkpoint_row.text
    origin = f"falaj/audit/{signer.key_id[:16]}"
    text = sign_checkpoint(Checkpoint(origin, size, root_at(session, size)), signer)
    session.add(AuditCheckpointRow(size=size, at=now, text=text))
    session.flush()
    return text


def newest_checkpoint(session: Session) -> str | None:
    """The checkpoint of the longest log that was signed; None before the first."""
    return session.scalar(select(AuditCheckpointRow.text).order_by(AuditCheckpointRow.size.desc()).limit(1))


def root_at(session: Session, size: int) -> bytes:
    """The root of the log when it had so many entries."""
    return _computed(session, lambda lookup: tree.span(0, size, lookup)) if size else EMPTY_ROOT


def consistency(session: Session, first: int, second: int) -> list[str]:
    """The proof, in hex, that the log of `second` entries continues the one of `first`; empty where there is none."""
    if not 0 < first < second <= size_of(session):
        return []
    return [value.hex() for value in _computed(session, lambda lookup: tree.consistency(first, second, lookup))]


def inclusion(session: Session, index: int, size: int) -> list[str]:
    """The proof, in hex, that an entry stands in the log of `size` entries; the entry is one of them."""
    return [value.hex() for value in _computed(session, lambda lookup: tree.inclusion(index, size, lookup))]


def proofs_for(session: Session, envelopes: Iterable[Mapping[str, Any]], text: str) -> dict[str, Any]:
    """What a verifier needs to see that the log of a checkpoint holds envelopes; those that it does not are left out.

    Returns:
        As `falaj.supply_chain.attestations.logproof` reads it: `checkpoint`, and `inclusion` by envelope digest.
    """
    size = parse_checkpoint(text).size
    digests = list(dict.fromkeys(envelope_digest(each) for each in envelopes))
    query = select(AuditLeafRow).where(AuditLeafRow.envelope.in_(digests), AuditLeafRow.index < size)
    leaf_rows = {row.envelope: row for row in session.scalars(query.order_by(AuditLeafRow.index.desc()))}

    def paths(lookup: tree.Lookup) -> dict[str, list[bytes]]:
        return {str(name): tree.inclusion(row.index, size, lookup) for name, row in leaf_rows.items()}

    proofs = _computed(session, paths)
    inclusion = {
        name: {"index": leaf_rows[name].index, "leaf": leaf_rows[name].text, "proof": [value.hex() for value in proof]}
        for name, proof in proofs.items()
    }
    return {"checkpoint": text, "inclusion": inclusion}


def _computed(session: Session, compute: Callable[[tree.Lookup], Any]) -> Any:
    """Compute something from nodes that are read at once."""
    nodes = read_nodes(session, tree.needed(compute))
    return compute(nodes.__getitem__)
