"""Appending to the log, in the transaction of what is recorded, and proving what is in it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from falaj.core.errors import UsageError
from falaj.storage.audit_tables import (
    ACTOR_LENGTH,
    SUBJECT_LENGTH,
    AuditDetailRow,
    AuditHeadRow,
    AuditLeafRow,
    AuditNodeRow,
)
from falaj.storage.facts import FactSubject
from falaj.storage.sealed import note_growth, require_growth
from falaj.storage.tables import Base
from falaj.supply_chain.attestations import envelope_digest
from falaj.supply_chain.attestations.merkle import leaf_hash
from falaj.supply_chain.attestations.predicates import plain
from falaj.trust.audit import tree
from falaj.trust.audit.nodes import read_nodes
from falaj.trust.audit.pseudonyms import pseudonyms

EMPTY_ROOT = hashlib.sha256(b"").digest()
LOG = FactSubject("audit_leaves", "size")
"""How long the log is and its hashes: a record outside of the database tells whether its end is another one."""
_AT_ONCE = 500
_HEAD, _LEAVES, _DETAILS, _NODES = (
    Base.metadata.tables[row.__tablename__] for row in (AuditHeadRow, AuditLeafRow, AuditDetailRow, AuditNodeRow)
)
_LEAF_COLUMNS = ("index", "at", "kind", "actor", "subject", "envelope", "text", "hash")
_DETAIL_COLUMNS = ("index", "salt", "details")


@dataclass(frozen=True)
class AuditEntry:
    """Something that happened, or that was tried and refused.

    Args:
        kind: What, such as `change.approved`.
        actor: Principal id of who did it; the log holds a pseudonym.
        subject: What it is about, such as `release/flight-delay@3`; people, as `user:ana`, become pseudonyms.
        details: What else to remember; the log holds its salted hash, so that it can be erased. No secrets.
        outcome: `denied` for an attempt that was refused.
        envelope: `envelope_digest` of a signed statement that this entry shows.
        facts: SHA-256 in hex of the seal of each fact that the transaction made.
    """

    kind: str
    actor: str
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: Literal["done", "denied"] = "done"
    envelope: str | None = None
    facts: Sequence[str] = ()

    @classmethod
    def of_envelope(cls, envelope: Mapping[str, Any], subject: str, actor: str) -> AuditEntry:
        """That a statement was signed: verifiers ask whether the log holds it."""
        return cls("evidence.signed", actor, subject, envelope=envelope_digest(envelope))


def append(session: Session, entries: AuditEntry | Sequence[AuditEntry], now: float) -> list[int]:
    """Write entries to the end of the log; the caller's transaction fails where this fails.

    Args:
        session: The transaction of what is recorded.
        entries: In the order in which they are to stand.
        now: Unix seconds.

    Returns:
        The index of each.

    Raises:
        UsageError: The details of an entry are no JSON, or nested too deeply (`audit.entry`).
        FactMissingError: The end of the log was cut off or replaced (`facts.missing`).
    """
    entry_list = [entries] if isinstance(entries, AuditEntry) else list(entries)
    if not entry_list:
        return []
    session.flush()  # what the caller wrote comes first, and is not in the way of what follows
    size, edge = session.execute(select(_HEAD.c.size, _HEAD.c.edge).with_for_update()).one()
    require_continued(session, size)
    names = pseudonyms(session, {name for entry in entry_list for name in (entry.actor, entry.subject)})
    leaves = [_leaf(entry, names, now, index) for index, entry in enumerate(entry_list, start=size)]
    new_hashes = tree.grow(size, _edge(size, edge), [leaf["hash"] for leaf in leaves])
    session.execute(insert(_LEAVES), [{name: leaf[name] for name in _LEAF_COLUMNS} for leaf in leaves])
    session.execute(insert(_DETAILS), [{name: leaf[name] for name in _DETAIL_COLUMNS} for leaf in leaves])
    nodes = [
        {"level": level, "position": place, "hash": value} for (level, place), value in new_hashes.items() if level
    ]
    if nodes:
        session.execute(insert(_NODES), nodes)
    grown = size + len(leaves)
    hashes_by_place = {**_edge(size, edge), **new_hashes}
    new_edge = b"".join(hashes_by_place[place] for place in tree.frontier(grown))
    session.execute(update(_HEAD).values(size=grown, edge=new_edge))
    note_growth(session, LOG, grown, hashlib.sha256(new_edge).hexdigest())
    return list(range(size, grown))


def require_continued(session: Session, size: int) -> None:
    """Refuse to go on where the log does not begin with what it was when its length was recorded last.

    Raises:
        FactMissingError: Its end was cut off or replaced (`facts.missing`).
    """

    def edge_digest(length: int) -> str:
        hashes_by_place = read_nodes(session, tree.frontier(length))
        return hashlib.sha256(b"".join(hashes_by_place.get(place, b"") for place in tree.frontier(length))).hexdigest()

    require_growth(session, LOG, size, edge_digest)


def _edge(size: int, edge: bytes) -> dict[tree.Place, bytes]:
    """The hashes of the frontier, as the head keeps them."""
    return {place: edge[32 * n : 32 * n + 32] for n, place in enumerate(tree.frontier(size))}


def append_evidence(
    session: Session, envelopes: Iterable[Mapping[str, Any]], subject: str, actor: str, now: float
) -> list[int]:
    """Write signed statements into the log, one entry each, so that verifiers can ask whether they stand in it."""
    return append(session, [AuditEntry.of_envelope(each, subject, actor) for each in envelopes], now)


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


def _leaf(entry: AuditEntry, names: Mapping[str, str], now: float, index: int) -> dict[str, Any]:
    salt = secrets.token_hex(16)
    actor, subject = names[entry.actor], names[entry.subject]
    try:
        details = plain(dict(entry.details))
        leaf_document = {
            "at": now, "kind": entry.kind, "actor": actor, "subject": subject, "outcome": entry.outcome,
            "details": hidden(salt, details),
        }  # fmt: skip
    except (RecursionError, TypeError, ValueError) as error:
        raise UsageError(f"this cannot be logged: {error}", where=entry.kind, code="audit.entry") from error
    if entry.envelope:
        leaf_document["envelope"] = entry.envelope
    if entry.facts:
        leaf_document["facts"] = list(entry.facts)
    text = written(leaf_document)
    columns = {"actor": searchable(actor, ACTOR_LENGTH), "subject": searchable(subject, SUBJECT_LENGTH)}
    leaf_fields = {"envelope": entry.envelope, "text": text, "hash": leaf_hash(text.encode())}
    return {**leaf_document, **columns, **leaf_fields, "index": index, "salt": salt, "details": details}
