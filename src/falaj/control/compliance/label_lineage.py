"""Labels as they follow lineage: on what runs read, and from there to everything that came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from falaj.control.compliance.labels import DataClassification
from falaj.control.compliance.retention import RetainedSnapshot
from falaj.storage.privacy_tables import DataLabelRow, LabelledSnapshotRow
from falaj.trust import lineage

CLASSIFICATIONS = ("public", "internal", "confidential", "personal", "banking", "government", "health")
"""From the least sensitive to the most."""


@dataclass(frozen=True)
class SourceReading:
    """What a run read of a source.

    Args:
        digest: The snapshot.
        source: `model/source`, as lineage names it.
        filename: Name of the file; its suffix says how to read it.
        label: What the project file says of it.
        url: Where the source is, when that means the same in every project; else empty.
    """

    digest: str
    source: str
    filename: str
    label: DataClassification
    url: str = ""


def keep_labels(session: Session, project: str, snapshots: Iterable[SourceReading], now: float) -> None:
    """Keep the labels of what a run read; what is known stays as sensitive as it was ever said to be."""
    for each in snapshots:
        _keep(session, each.digest, each.source, each.url, each.label, now)
        row = session.get(LabelledSnapshotRow, (each.digest, each.source))
        if row is None:
            session.add(_row(project, each, now))
        else:
            _tighten(row, each.label)
    session.flush()


def keep_label(session: Session, snapshot: SourceReading, now: float) -> None:
    """Keep the label of data that is not in the store, such as a file that was scored."""
    _keep(session, snapshot.digest, snapshot.source, snapshot.url, snapshot.label, now)


def labels_reaching(session: Session, node: lineage.Node) -> tuple[DataClassification, ...]:
    """The labels of all data that a release, run or artifact came from: every one that it was ever given."""
    edges = lineage.upstream(session, node)
    digests = {each.name for each in (*lineage.artifacts_of(edges), node) if each.kind == "artifact"}
    query = select(DataLabelRow).where(DataLabelRow.digest.in_(digests), DataLabelRow.lowered_by.is_(None))
    return tuple(sorted({label_of_row(row) for row in session.scalars(query)}))


def labels_given(session: Session, source: str, url: str = "", digest: str = "") -> tuple[DataClassification, ...]:
    """The labels that count for data of a source, whatever its project file says now; the most sensitive first.

    They are those that were ever given to these bytes, to what they were made of, and to the same source.

    Args:
        session: Reads them.
        source: `model/source`, as lineage names it.
        url: Where the source is, when that means the same in every project; else empty.
        digest: The snapshot; empty while it was not read.
    """
    same = DataLabelRow.source == source
    same = or_(same, DataLabelRow.url == url) if url else same
    rows = session.scalars(select(DataLabelRow).where(same, DataLabelRow.lowered_by.is_(None)))
    label_set = {label_of_row(row) for row in rows}
    if digest:
        label_set |= set(labels_reaching(session, lineage.Node("artifact", digest)))
    _, _, name = source.partition("/")
    return tuple(sorted({replace(each, name=name) for each in label_set}, key=_sensitivity, reverse=True))


def lower_labels(session: Session, data: str, label: DataClassification, record: str, now: float) -> int:
    """Let no earlier label of data count, and give it this one; return how many were lowered.

    Args:
        session: A transaction that signs the record, too.
        data: A snapshot's digest, `model/source`, or the URL of a source.
        label: What counts from now on, until somebody says something stricter.
        record: Id of the signed record.
        now: Unix seconds.
    """
    about = or_(DataLabelRow.digest == data, DataLabelRow.source == data, DataLabelRow.url == data)
    rows = session.scalars(select(DataLabelRow).where(about, DataLabelRow.lowered_by.is_(None))).all()
    for row in rows:
        row.lowered_by = record
    for digest, source, url in {(row.digest, row.source, row.url) for row in rows}:
        _keep(session, digest, source, url, label, now)
    session.flush()
    return len(rows)


def raise_labels(session: Session, record: str) -> None:
    """Let the labels count again that a record had lowered."""
    session.execute(update(DataLabelRow).where(DataLabelRow.lowered_by == record).values(lowered_by=None))


def retained(session: Session) -> list[RetainedSnapshot]:
    """Every snapshot that was not erased, as far as its retention goes."""
    query = select(LabelledSnapshotRow).where(LabelledSnapshotRow.erased_at.is_(None))
    return [RetainedSnapshot(row.digest, label_of_row(row), row.first_at) for row in session.scalars(query)]


def label_of_row(row: LabelledSnapshotRow | DataLabelRow) -> DataClassification:
    """The label of a snapshot."""
    _, _, name = row.source.partition("/")
    return DataClassification(name, row.classification, row.sector, row.origin, row.subject_key)


def _keep(session: Session, digest: str, source: str, url: str, label: DataClassification, now: float) -> None:
    parts = (label.classification, label.sector, label.origin, label.subject_key)
    row = session.get(DataLabelRow, (digest, source, *parts))
    if row is not None:
        row.lowered_by = None
        return
    session.add(
        DataLabelRow(
            digest=digest, source=source, classification=parts[0], sector=parts[1], origin=parts[2],
            subject_key=parts[3], url=url, first_at=now,
        )
    )  # fmt: skip
    session.flush()


def _sensitivity(label: DataClassification) -> tuple[int, DataClassification]:
    return CLASSIFICATIONS.index(label.classification), label


def _row(project: str, snapshot: SourceReading, now: float) -> LabelledSnapshotRow:
    label = snapshot.label
    return LabelledSnapshotRow(
        digest=snapshot.digest, source=snapshot.source, project=project, classification=label.classification,
        sector=label.sector, origin=label.origin, subject_key=label.subject_key, filename=snapshot.filename,
        first_at=now,
        indexed_at=None, subjects=None, note="", erased_at=None,
    )  # fmt: skip


def _tighten(row: LabelledSnapshotRow, label: DataClassification) -> None:
    """A label that became milder must not end a retention, and one that became stricter must hold."""
    order = CLASSIFICATIONS.index
    row.classification = max(row.classification, label.classification, key=order)
    row.sector = label.sector if row.sector == "general" else row.sector
    if label.subject_key and label.subject_key != row.subject_key:
        row.subject_key, row.indexed_at = label.subject_key, None
