"""Reading the log: entries for people, and the whole of it for those who check it elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import ACTOR_LENGTH, SUBJECT_LENGTH, AuditCheckpointRow, AuditDetailRow, AuditLeafRow
from falaj.supply_chain.attestations.checkpoint import parse_checkpoint
from falaj.trust.audit.log import searchable, written
from falaj.trust.audit.pseudonyms import hidden_name, names_of

_PAGE = 5_000


@dataclass(frozen=True)
class EntryFilter:
    """Which entries.

    Args:
        kind: What they begin with, such as `change.`; empty for all.
        subject: What they are about; empty for everything.
        actor: Principal id of who did it; empty for everybody.
        since: Not before, unix seconds.
        limit: How many at most.
    """

    kind: str = ""
    subject: str = ""
    actor: str = ""
    since: float = 0.0
    limit: int = 50


@dataclass(frozen=True)
class Shown:
    """An entry with what is still known of it: people by their names, details where they were not erased."""

    index: int
    at: float
    kind: str
    actor: str
    subject: str
    outcome: str
    details: dict[str, Any] | None
    envelope: str | None


def entries(session: Session, entry_filter: EntryFilter) -> list[Shown]:
    """The newest entries first."""
    query = matching_entries(session, entry_filter).order_by(AuditLeafRow.index.desc()).limit(entry_filter.limit)
    return shown_entries(session, session.scalars(query).all())


def matching_entries(session: Session, entry_filter: EntryFilter) -> Select[AuditLeafRow]:
    """The entries that pass a filter, in no order."""
    query = select(AuditLeafRow)
    if "." in entry_filter.kind:
        query = query.where(AuditLeafRow.family == entry_filter.kind.partition(".")[0])
    if not entry_filter.kind.endswith("."):
        query = query.where(AuditLeafRow.kind.startswith(entry_filter.kind, autoescape=True))
    if entry_filter.subject:
        query = query.where(
            AuditLeafRow.subject == searchable(hidden_name(session, entry_filter.subject), SUBJECT_LENGTH)
        )
    if entry_filter.actor:
        query = query.where(AuditLeafRow.actor == searchable(hidden_name(session, entry_filter.actor), ACTOR_LENGTH))
    if entry_filter.since:
        query = query.where(AuditLeafRow.at >= entry_filter.since)
    return query


def shown_entries(session: Session, leaves: Sequence[AuditLeafRow]) -> list[Shown]:
    """Entries with what is still known of them, in the same order."""
    names = names_of(session, [name for leaf in leaves for name in (leaf.actor, leaf.subject)])
    query = select(AuditDetailRow.index, AuditDetailRow.details)
    query = query.where(AuditDetailRow.index.in_([leaf.index for leaf in leaves]))
    details: dict[int, dict[str, Any]] = dict(session.execute(query).all())
    return [
        Shown(
            leaf.index, leaf.at, leaf.kind, names.get(leaf.actor, leaf.actor), names.get(leaf.subject, leaf.subject),
            json.loads(leaf.text)["outcome"], details.get(leaf.index), leaf.envelope,
        )
        for leaf in leaves
    ]  # fmt: skip


def export_lines(session: Session, checkpoint: str) -> Iterator[tuple[str, Any]]:
    """Everything that a checkpoint covers, for those who check the log elsewhere.

    Args:
        session: Reads the log.
        checkpoint: The newest one that the export is to hold.

    Yields:
        A file's name and an object of it: `leaves` exactly as they are hashed, `details` as they are hashed, with their
        salt, `checkpoints` as they were signed.
    """
    size = parse_checkpoint(checkpoint).size
    rows = session.execute(
        select(AuditCheckpointRow.size, AuditCheckpointRow.text)
        .where(AuditCheckpointRow.size <= size)
        .order_by(AuditCheckpointRow.size)
    )
    yield from (("checkpoints", {"size": each.size, "text": each.text}) for each in rows)
    for start in range(0, size, _PAGE):
        end = min(start + _PAGE, size)
        texts = select(AuditLeafRow.text).where(AuditLeafRow.index >= start, AuditLeafRow.index < end)
        yield from (("leaves", text) for text in session.scalars(texts.order_by(AuditLeafRow.index)))
        detail_query = select(AuditDetailRow).where(AuditDetailRow.index >= start, AuditDetailRow.index < end)
        for row in session.scalars(detail_query.order_by(AuditDetailRow.index)):
            detail_line = {"index": row.index, "salt": row.salt, "text": written(row.details)}
            yield "details", detail_line
