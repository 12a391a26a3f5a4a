"""Reading nodes of the log's tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from falaj.storage.audit_tables import AuditLeafRow, AuditNodeRow
from falaj.trust.audit import tree

_AT_ONCE = 500


def read_nodes(session: Session, places: Iterable[tree.Place]) -> dict[tree.Place, bytes]:
    """The hashes of places, in a few queries; those that are not there are left out."""
    sorted_places = sorted(places)
    leaves = [position for level, position in sorted_places if level == 0]
    inner = [place for place in sorted_places if place[0]]
    node_hashes: dict[tree.Place, bytes] = {}
    for part in _parts(leaves):
        query = select(AuditLeafRow.index, AuditLeafRow.hash).where(AuditLeafRow.index.in_(part))
        node_hashes |= {(0, index): value for index, value in session.execute(query)}
    for part in _parts(inner):
        columns = (AuditNodeRow.level, AuditNodeRow.position)
        nodes = select(*columns, AuditNodeRow.hash).where(tuple_(*columns).in_(part))
        node_hashes |= {(level, position): value for level, position, value in session.execute(nodes)}
    return node_hashes


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]
