"""Requests of people, carried out: found, exported, erased; what law keeps is not erased, nor made unreadable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api.platform import Platform
from falaj.config.uae_pack import UaeSettings, uae_settings
from falaj.control import compliance
from falaj.control.compliance import dsar_requests
from falaj.core.principal import Principal
from falaj.schemas import privacy as documents
from falaj.schemas import states
from falaj.storage import EndpointRow, ReleaseRow
from falaj.storage.privacy_tables import LabelledSnapshotRow
from falaj.supply_chain.artifacts import Digest
from falaj.supply_chain.encryption import WrappedKey
from falaj.trust import secrets, settings
from falaj.trust.audit import record
from falaj.trust.policy import Action, Resource, require

LIMITS = (
    "Each snapshot that held the person is gone as a whole, with what steps made of it. Copies of the artifact store "
    "made earlier can be read until the data key of their jurisdiction is destroyed (falaj platform key destroy). "
    "Models stay, and their releases are flagged: train them again. Prediction logs and logs of steps are not "
    "searched. The source itself is not touched: take the person out of it, or a run that reads them again is rejected."
)


def deadlines(session: Session) -> UaeSettings:
    """The deadlines that hold: those of the pack, or its defaults where it is not on."""
    return uae_settings(settings.current(session)) or UaeSettings()


def find(platform: Platform, caller: Principal, subject: str) -> documents.FoundSubject:
    """Every snapshot and release that a person's data reached; that somebody looked is logged."""
    now = platform.now()
    with platform.database.transaction() as session:
        person = compliance.hashed(compliance.secret_of(session, platform.vault), subject)
        subject_report = _subject_document(session, person, now)
        counts = {"snapshots": len(subject_report.snapshots), "releases": len(subject_report.releases)}
        record.write(session, "subject.searched", caller.id, "subjects", now, counts)
    return subject_report


def export(platform: Platform, caller: Principal, subject: str) -> list[documents.ExportedRow]:
    """A person's rows in every snapshot that is there."""
    now = platform.now()
    with platform.database.transaction() as session:
        person = compliance.hashed(compliance.secret_of(session, platform.vault), subject)
        rows = _rows_of(session, compliance.snapshots_of(session, person))
        source_snapshots = [_source_reading(row) for row in rows if row.subject_key and row.erased_at is None]
        record.write(session, "subject.exported", caller.id, "subjects", now, {"snapshots": len(source_snapshots)})
    exported_rows = compliance.export(platform.store, source_snapshots, subject)
    return [documents.ExportedRow(**each) for each in exported_rows]


def erase(
    platform: Platform, caller: Principal, subject: str, reason: str, request: str | None
) -> documents.ErasedSubject:
    """Erase what holds a person; nothing brings it back.

    What is to go is written down before anything goes: an erasure that was interrupted is finished by asking again.

    Raises:
        ForbiddenError: A snapshot must be kept by law (`uae-retention`).
    """
    now = platform.now()
    secrets.synchronise(platform.database, platform.keys)
    with platform.database.transaction() as session:
        person = compliance.hashed(compliance.secret_of(session, platform.vault), subject)
        reach = compliance.reach_of(session, compliance.snapshots_of(session, person))
        _refuse_locked(session, caller, reach.snapshots, now)
        request_id = request or dsar_requests.receive(
            session, "erasure", deadlines(session).subject_request_within, caller.id, now, now
        )
        details = {"reason": reason, "snapshots": list(reach.snapshots), "derived": len(reach.derived)}
        dsar_requests.advance(session, request_id, dsar_requests.ERASING, details, caller.id, now)
        models = [Digest(each) for each in compliance.models_of(session)]
    gone = [Digest(each) for each in (*reach.snapshots, *reach.derived)]
    objects = platform.store.erase(gone, keep=models)
    return _erased(platform, caller, person, request_id, reach, objects)


def refuse_locked_key(platform: Platform, caller: Principal, key_id: str) -> None:
    """Refuse to destroy a key without which nobody could read what law keeps.

    Raises:
        ForbiddenError: `uae-retention`.
    """
    now = platform.now()
    with platform.database.reading() as session:
        locked = compliance.locks_now(session, now)
        retention_locks = {
            name: until for name, until in locked.items() if key_id in platform.store.encrypted_by(Digest(name))
        }
        _require(session, caller, Action.MANAGE_KEYS, Resource("key", key_id), retention_locks, now)


def search_again(platform: Platform, caller: Principal) -> documents.IndexedSnapshots:
    """Search the pinned snapshots that the index does not know yet."""
    now = platform.now()
    query = select(LabelledSnapshotRow).where(
        LabelledSnapshotRow.subject_key != "", LabelledSnapshotRow.indexed_at.is_(None),
        LabelledSnapshotRow.erased_at.is_(None),
    )  # fmt: skip
    with platform.database.transaction() as session:
        secret = compliance.secret_of(session, platform.vault)
        search_targets = [_source_reading(row) for row in session.scalars(query)]
    searched = [compliance.search(platform.store, each, secret) for each in search_targets]
    failed = {each.source: each.note for each in searched if each.subjects is None}
    with platform.database.transaction() as session:
        compliance.remember(session, searched, now)
        counts = {"indexed": len(searched) - len(failed), "failed": len(failed)}
        record.write(session, "subjects.indexed", caller.id, "subjects", now, counts)
    return documents.IndexedSnapshots(counts["indexed"], failed)


def _erased(
    platform: Platform, caller: Principal, person: str, request_id: str, reach: compliance.ErasureReach, objects: int
) -> documents.ErasedSubject:
    """Write down what went, destroy the person's own keys, and flag what was trained on it."""
    now = platform.now()
    with platform.database.transaction() as session:
        compliance.tombstone(session, reach.snapshots, request_id, now)
        compliance.note_erased(session, person, request_id, now)
        because = f"trained on data of a person that was erased by request {request_id}"
        compliance.flag(session, reach.releases, because, caller.id, now)
        destroyed = _destroyed(session, caller, person, now)
        result = {"objects": objects, "keys": len(destroyed), "flagged": list(reach.releases)}
        dsar_requests.advance(session, request_id, dsar_requests.CLOSED, result, caller.id, now)
    platform.keys.learn(destroyed)
    platform.database.forget_deleted()
    return documents.ErasedSubject(
        request_id, list(reach.snapshots), len(reach.derived), objects, len(destroyed), list(reach.releases), LIMITS
    )


def _destroyed(session: Session, caller: Principal, person: str, now: float) -> list[WrappedKey]:
    destroyed_keys = [secrets.destroy(session, each, now) for each in compliance.keys_of_person(session, person)]
    for key in destroyed_keys:
        record.write(session, "key.destroyed", caller.id, f"key/{key.id}", now, {"reason": "a person was erased"})
    return destroyed_keys


def _refuse_locked(session: Session, caller: Principal, snapshots: Collection[str], now: float) -> None:
    locked = compliance.locks_now(session, now)
    retention_locks = {name: until for name, until in locked.items() if name in snapshots}
    _require(session, caller, Action.MANAGE_PRIVACY, Resource("tenant", "default"), retention_locks, now)


def _require(
    session: Session,
    caller: Principal,
    action: Action,
    resource: Resource,
    retention_locks: Mapping[str, float],
    now: float,
) -> None:
    if not retention_locks:
        return
    until = max(retention_locks.values())
    day = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d")
    notes = {
        "uae-retention": f"{len(retention_locks)} snapshots are kept by law until {day}, such as {min(retention_locks)}"
    }
    require(session, caller, action, resource, {"now": now, "locked_until": until, "notes": notes})


def _subject_document(session: Session, person: str, now: float) -> documents.FoundSubject:
    digests = compliance.snapshots_of(session, person)
    reach, locked = compliance.reach_of(session, digests), compliance.locks_now(session, now)
    blind = select(LabelledSnapshotRow).where(
        LabelledSnapshotRow.indexed_at.is_(None), LabelledSnapshotRow.erased_at.is_(None)
    )
    unsearched = {row.source for row in session.scalars(blind) if compliance.label_of_row(row).personal}
    return documents.FoundSubject(
        snapshots=[
            documents.SnapshotWithPerson(
                row.digest, row.source, row.project, row.first_at, locked.get(row.digest), row.erased_at
            )
            for row in _rows_of(session, digests)
        ],
        derived=len(reach.derived),
        releases=[_release(session, name) for name in reach.releases],
        unsearched=sorted(unsearched),
        erased_at=compliance.erased_at(session, person),
    )


def _release(session: Session, name: str) -> documents.ReleaseWithPerson:
    model, _, number = name.partition("@")
    row = session.get_one(ReleaseRow, (model, int(number)))
    serving = select(EndpointRow).where(EndpointRow.model == model, EndpointRow.release == int(number))
    places = [
        f"{each.environment}/{each.location}" for each in session.scalars(serving) if not each.plan.get("withdrawn")
    ]
    return documents.ReleaseWithPerson(
        name, cast("states.ReleaseState", row.state), sorted(places), row.data.get(compliance.FLAG, "")
    )


def _rows_of(session: Session, digests: Collection[str]) -> list[LabelledSnapshotRow]:
    query = select(LabelledSnapshotRow).where(LabelledSnapshotRow.digest.in_(list(digests)))
    return list(session.scalars(query.order_by(LabelledSnapshotRow.source, LabelledSnapshotRow.first_at)))


def _source_reading(row: LabelledSnapshotRow) -> compliance.SourceReading:
    return compliance.SourceReading(row.digest, row.source, row.filename, compliance.label_of_row(row))
