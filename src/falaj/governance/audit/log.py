"""Appending to the log, in the transaction of what is recorded, and proving what is in it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.orm import Session

from falaj.errors import UsageError
from falaj.evidence import Signer, envelope_digest
from falaj.evidence.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from falaj.evidence.merkle import leaf_hash
from falaj.evidence.predicates import plain
from falaj.governance.audit import tree
from falaj.governance.audit.pseudonyms import pseudonyms
from falaj.storage.audit_tables import (
    ACTOR_LENGTH,
    SUBJECT_LENGTH,
    AuditCheckpointRow,
    AuditDetailRow,
    AuditHeadRow,
    AuditLeafRow,
    AuditNodeRow,
)
from falaj.storage.tables import Base

EMPTY_ROOT = hashlib.sha256(b"").digest()
_AT_ONCE = 500
_HEAD, _LEAVES, _DETAILS, _NODES = (
    Base.metadata.tables[row.__tablename__] for row in (AuditHeadRow, AuditLeafRow, AuditDetailRow, AuditNodeRow)
)
_LEAF_COLUMNS = ("index", "at", "kind", "actor", "subject", "envelope", "text", "hash")
_DETAIL_COLUMNS = ("index", "salt", "details")


@dataclass(frozen=True)
class Entry:
    """Something that happened, or that was tried and refused.

    Args:
        kind: What, such as `change.approved`.
        actor: Principal id of who did it; the log holds a pseudonym.
        subject: What it is about, such as `release/flight-delay@3`; people, as `user:ana`, become pseudonyms.
        details: What else to remember; the log holds its salted hash, so that it can be erased. No secrets.
        outcome: `denied` for an attempt that was refused.
        envelope: `envelope_digest` of a signed statement that this entry shows.
    """

    kind: str
    actor: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: Literal["done", "denied"] = "done"
    envelope: str | None = None


def append(session: Session, entries: Entry | Sequence[Entry], now: float) -> list[int]:
    """Write entries to the end of the log; the caller's transaction fails where this fails.

    Args:
        session: The transaction of what is recorded.
        entries: In the order in which they are to stand.
        now: Unix seconds.

    Returns:
        The index of each.

    Raises:
        UsageError: The details of an entry are no JSON, or nested too deeply (`audit.entry`).
    """
    wanted = [entries] if isinstance(entries, Entry) else list(entries)
    if not wanted:
        return []
    session.flush()  # what the caller wrote comes first, and is not in the way of what follows
    size, edge = session.execute(select(_HEAD.c.size, _HEAD.c.edge).with_for_update()).one()
    names = pseudonyms(session, {name for entry in wanted for name in (entry.actor, entry.subject)})
    leaves = [_leaf(entry, names, now, index) for index, entry in enumerate(wanted, start=size)]
    made = tree.grow(size, _edge(size, edge), [leaf["hash"] for leaf in leaves])
    session.execute(insert(_LEAVES), [{name: leaf[name] for name in _LEAF_COLUMNS} for leaf in leaves])
    session.execute(insert(_DETAILS), [{name: leaf[name] for name in _DETAIL_COLUMNS} for leaf in leaves])
    nodes = [{"level": level, "position": place, "hash": value} for (level, place), value in made.items() if level]
    if nodes:
        session.execute(insert(_NODES), nodes)
    grown = size + len(leaves)
    known = {**_edge(size, edge), **made}
    session.execute(update(_HEAD).values(size=grown, edge=b"".join(known[place] for place in tree.frontier(grown))))
    return list(range(size, grown))


def _edge(size: int, edge: bytes) -> dict[tree.Place, bytes]:
    """The hashes of the frontier, as the head keeps them."""
    return {place: edge[32 * n : 32 * n + 32] for n, place in enumerate(tree.frontier(size))}


def append_evidence(
    session: Session, envelopes: Iterable[Mapping[str, Any]], subject: str, actor: str, now: float
) -> list[int]:
    """Write signed statements into the log, one entry each, so that verifiers can ask whether they stand in it."""
    entries = [Entry("evidence.signed", actor, subject, envelope=envelope_digest(each)) for each in envelopes]
    return append(session, entries, now)


def size_of(session: Session) -> int:
    """How many entries there are."""
    return int(session.scalars(select(_HEAD.c.size)).one())


def checkpoint(session: Session, signer: Signer, now: float) -> str:
    """Sign how long the log is and what its root is; a log that has not grown keeps its checkpoint.

    Args:
        session: The transaction that keeps it.
        signer: The log's key.
        now: Unix seconds.

    Returns:
        A C2SP tlog-checkpoint as a signed note.
    """
    session.flush()
    size = session.scalars(select(_HEAD.c.size).with_for_update()).one()
    kept = session.get(AuditCheckpointRow, size)
    if kept is not None:
        return kept.text
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


def proofs_for(session: Session, envelopes: Iterable[Mapping[str, Any]], text: str) -> dict[str, Any]:
    """What a verifier needs to see that the log of a checkpoint holds envelopes; those that it does not are left out.

    Returns:
        As `falaj.evidence.logproof` reads it: `checkpoint`, and `inclusion` by envelope digest.
    """
    size = parse_checkpoint(text).size
    wanted = list(dict.fromkeys(envelope_digest(each) for each in envelopes))
    query = select(AuditLeafRow).where(AuditLeafRow.envelope.in_(wanted), AuditLeafRow.index < size)
    found = {row.envelope: row for row in session.scalars(query.order_by(AuditLeafRow.index.desc()))}

    def paths(lookup: tree.Lookup) -> dict[str, list[bytes]]:
        return {str(name): tree.inclusion(row.index, size, lookup) for name, row in found.items()}

    proofs = _computed(session, paths)
    inclusion = {
        name: {"index": found[name].index, "leaf": found[name].text, "proof": [value.hex() for value in proof]}
        for name, proof in proofs.items()
    }
    return {"checkpoint": text, "inclusion": inclusion}


def written(value: Mapping[str, Any]) -> str:
    """JSON as the log writes it: one line of ASCII, sorted; the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hidden(salt: str, details: Mapping[str, Any]) -> str:
    """The salted hash that a leaf holds of its details."""
    return "sha256:" + hashlib.sha256(bytes.fromhex(salt) + written(details).encode()).hexdigest()


def searchable(name: str, length: int) -> str:
    """A name as a column holds it to be searched for; the leaf's text holds it whole.

    A column takes less than JSON does: PostgreSQL no NUL, no half of a surrogate pair, and no more than fits. An
    attempt that could not be logged because of its name would be an attempt without a trace.
    """
    return "".join(char if char.isprintable() else "\ufffd" for char in name[:length])


def _leaf(entry: Entry, names: Mapping[str, str], now: float, index: int) -> dict[str, Any]:
    salt = secrets.token_hex(16)
    actor, subject = names[entry.actor], names[entry.subject]
    try:
        details = plain(dict(entry.details))
        said = {
            "at": now, "kind": entry.kind, "actor": actor, "subject": subject, "outcome": entry.outcome,
            "details": hidden(salt, details),
        }  # fmt: skip
    except (RecursionError, TypeError, ValueError) as error:
        raise UsageError(f"this cannot be logged: {error}", where=entry.kind, code="audit.entry") from error
    if entry.envelope:
        said["envelope"] = entry.envelope
    text = written(said)
    columns = {"actor": searchable(actor, ACTOR_LENGTH), "subject": searchable(subject, SUBJECT_LENGTH)}
    found = {"envelope": entry.envelope, "text": text, "hash": leaf_hash(text.encode())}
    return {**said, **columns, **found, "index": index, "salt": salt, "details": details}


def _computed(session: Session, compute: Callable[[tree.Lookup], Any]) -> Any:
    """Compute something from nodes that are read at once."""
    nodes = _read_nodes(session, tree.needed(compute))
    return compute(nodes.__getitem__)


def _read_nodes(session: Session, places: Iterable[tree.Place]) -> dict[tree.Place, bytes]:
    wanted = sorted(places)
    leaves = [position for level, position in wanted if level == 0]
    inner = [place for place in wanted if place[0]]
    found: dict[tree.Place, bytes] = {}
    for part in _parts(leaves):
        query = select(AuditLeafRow.index, AuditLeafRow.hash).where(AuditLeafRow.index.in_(part))
        found |= {(0, index): value for index, value in session.execute(query)}
    for part in _parts(inner):
        columns = (AuditNodeRow.level, AuditNodeRow.position)
        nodes = select(*columns, AuditNodeRow.hash).where(tuple_(*columns).in_(part))
        found |= {(level, position): value for level, position, value in session.execute(nodes)}
    return found


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]
