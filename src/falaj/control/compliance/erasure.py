"""Erasing a person: what must go, what stays and is flagged, and what forbids it.

Snapshots are files of many people. There is no key for one person's rows in them, so what holds a person is erased as a
whole: the snapshot, and every artifact that steps made of it. Each object is encrypted by a key of its own, which is
derived from a salt that only the object holds: removing the object destroys that key. Copies of the object elsewhere
stay readable until the data key of their jurisdiction is destroyed. A key of the person's own, where one was made, is
destroyed besides. Models stay, and their releases are flagged to be trained again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from falaj.storage import EventRow, ReleaseRow
from falaj.storage.key_tables import DataKeyRow
from falaj.storage.privacy_tables import LabelledSnapshotRow
from falaj.trust import lineage
from falaj.trust.audit import record

FLAG = "retrain_because"
"""Under which a release remembers why it should be trained again."""


@dataclass(frozen=True)
class ErasureReach:
    """Where a person's data went.

    Args:
        snapshots: Digests of the snapshots that hold it.
        derived: Digests of what steps made of those, without models of releases.
        releases: `model@number` of the releases that it reached.
        models: Digests of what those releases serve and were packaged from.
    """

    snapshots: tuple[str, ...]
    derived: tuple[str, ...]
    releases: tuple[str, ...]
    models: tuple[str, ...]


def reach_of(session: Session, snapshots: Collection[str]) -> ErasureReach:
    """Follow snapshots down to everything that came of them."""
    artifacts: set[str] = set()
    releases: set[str] = set()
    for digest in snapshots:
        edges = lineage.downstream(session, lineage.Node("artifact", digest))
        artifacts |= {each.name for each in lineage.artifacts_of(edges)}
        releases |= set(lineage.names_of(edges, "release"))
    models = models_of(session)
    return ErasureReach(
        tuple(sorted(snapshots)),
        tuple(sorted(artifacts - set(snapshots) - models)),
        tuple(sorted(releases)),
        tuple(sorted(artifacts & models)),
    )


def models_of(session: Session) -> set[str]:
    """Digests of what releases serve and were packaged from."""
    model_digests: set[str] = set()
    for row in session.scalars(select(ReleaseRow)):
        model_digests |= {row.digest, *filter(None, (row.data.get("packaged_from"),))}
    return model_digests


def tombstone(session: Session, digests: Collection[str], request: str, now: float) -> None:
    """Mark snapshots as erased; their rows stay, so that what came of them can still be told."""
    update_query = update(LabelledSnapshotRow).where(LabelledSnapshotRow.digest.in_(list(digests)))
    session.execute(update_query.values(erased_at=now, note=f"erased by request {request}"))


def flag(session: Session, releases: Iterable[str], reason: str, actor: str, now: float) -> None:
    """Flag releases to be trained again, in the audit log too."""
    for name in releases:
        model, _, number = name.partition("@")
        row = session.get(ReleaseRow, (model, int(number)), with_for_update=True)
        if row is not None:
            row.data = {**row.data, FLAG: reason}
            record.write(session, "release.flagged", actor, f"release/{name}", now, {"reason": reason})
            session.add(EventRow(at=now, subject=f"release/{name}", kind="release.flagged", data={"reason": reason}))


def keys_of_person(session: Session, subject: str) -> list[str]:
    """Ids of the data keys that were made for one person, by the hash of the person."""
    query = select(DataKeyRow.id).where(DataKeyRow.subject == subject, DataKeyRow.state != "destroyed")
    return list(session.scalars(query))
