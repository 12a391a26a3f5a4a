"""Labels as they follow lineage: on what runs read, and from there to everything that came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.governance import lineage
from falaj.governance.privacy.labels import Label
from falaj.governance.privacy.retention import Kept
from falaj.storage.privacy_tables import LabelledSnapshotRow

_BY_SENSITIVITY = ("public", "internal", "confidential", "personal", "banking", "government", "health")


@dataclass(frozen=True)
class Taken:
    """What a run read of a source.

    Args:
        digest: The snapshot.
        source: `model/source`, as lineage names it.
        filename: Name of the file; its suffix says how to read it.
        label: What the project file says of it.
    """

    digest: str
    source: str
    filename: str
    label: Label


def keep_labels(session: Session, project: str, taken: Iterable[Taken], now: float) -> None:
    """Keep the labels of what a run read; what is known stays as sensitive as it was ever said to be."""
    for each in taken:
        row = session.get(LabelledSnapshotRow, (each.digest, each.source))
        if row is None:
            session.add(_row(project, each, now))
        else:
            _tighten(row, each.label)
    session.flush()


def labels_reaching(session: Session, node: lineage.Node) -> tuple[Label, ...]:
    """The labels of all data that a release, run or artifact came from."""
    edges = lineage.upstream(session, node)
    digests = {each.name for each in (*lineage.artifacts_of(edges), node) if each.kind == "artifact"}
    query = select(LabelledSnapshotRow).where(LabelledSnapshotRow.digest.in_(digests))
    return tuple(sorted({label_of_row(row) for row in session.scalars(query)}))


def kept(session: Session) -> list[Kept]:
    """Every snapshot that was not erased, as far as its retention goes."""
    query = select(LabelledSnapshotRow).where(LabelledSnapshotRow.erased_at.is_(None))
    return [Kept(row.digest, label_of_row(row), row.first_at) for row in session.scalars(query)]


def label_of_row(row: LabelledSnapshotRow) -> Label:
    """The label of a snapshot."""
    _, _, name = row.source.partition("/")
    return Label(name, row.classification, row.sector, row.origin, row.subject_key)


def _row(project: str, taken: Taken, now: float) -> LabelledSnapshotRow:
    label = taken.label
    return LabelledSnapshotRow(
        digest=taken.digest, source=taken.source, project=project, classification=label.classification,
        sector=label.sector, origin=label.origin, subject_key=label.subject_key, filename=taken.filename, first_at=now,
        indexed_at=None, subjects=None, note="", erased_at=None,
    )  # fmt: skip


def _tighten(row: LabelledSnapshotRow, label: Label) -> None:
    """A label that became milder must not end a retention, and one that became stricter must hold."""
    order = _BY_SENSITIVITY.index
    row.classification = max(row.classification, label.classification, key=order)
    row.sector = label.sector if row.sector == "general" else row.sector
    if label.subject_key and label.subject_key != row.subject_key:
        row.subject_key, row.indexed_at = label.subject_key, None
