"""The index of subjects: which snapshots hold data of a person, by a hash that only this installation can make.

A person is asked for by what the column `subject_key` holds of them. The hash is an HMAC with a secret that is kept
encrypted, so that the index names nobody to whoever reads the database.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Insert, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from falaj.control.compliance.label_lineage import SourceReading
from falaj.control.compliance.plaintext_scan import rows_of, subject_of
from falaj.core.errors import FalajError
from falaj.storage.privacy_tables import ErasedSubjectRow, LabelledSnapshotRow, SubjectRow, SubjectSecretRow
from falaj.supply_chain.artifacts import Digest
from falaj.supply_chain.encryption import KeyGoneError
from falaj.trust.secrets import Vault

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_CONTEXT = "falaj/subjects"
_AT_ONCE = 500
MOST_CHARACTERS = 1_000
_T = TypeVar("_T")


@dataclass(frozen=True)
class Searched:
    """What a search of a snapshot found.

    Args:
        digest: The snapshot.
        source: `model/source`.
        subjects: Hashes of the people in it; None when it could not be read.
        note: Why it could not; empty otherwise.
    """

    digest: str
    source: str
    subjects: frozenset[str] | None
    note: str = ""


def secret_of(session: Session, vault: Vault) -> bytes:
    """The secret of the hashes; made, in the caller's transaction, when there is none.

    It is encrypted anew when the data key was rotated, so that the old one can be destroyed. Where its key is gone, so
    are the snapshots that were encrypted by it: the index begins again with another secret.
    """
    row = session.get(SubjectSecretRow, 1)
    if row is None:
        session.execute(_insert_new(session, SubjectSecretRow), [{"id": 1, "sealed": _sealed(vault)}])
        row = session.get_one(SubjectSecretRow, 1)  # of two that make one, the first stays
    try:
        secret = vault.open(row.sealed, _CONTEXT)
    except KeyGoneError:
        session.execute(delete(SubjectRow))
        session.execute(update(LabelledSnapshotRow).values(indexed_at=None, subjects=None))
        row.sealed = _sealed(vault)
        return bytes.fromhex(vault.open(row.sealed, _CONTEXT))
    if row.sealed.split(":", 2)[1] != vault.chest.current(vault.scope).id:
        row.sealed = vault.seal(secret, _CONTEXT)
    return bytes.fromhex(secret)


def hashed(secret: bytes, subject: str) -> str:
    """What stands for a person in the index (HMAC-SHA-256, in hex)."""
    return hmac.new(secret, subject.strip().encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def search(store: ArtifactStore, snapshot: SourceReading, secret: bytes) -> Searched:
    """Find out whose data is in a snapshot; what cannot be read is noted."""
    column = snapshot.label.subject_key
    try:
        rows = rows_of(store, Digest(snapshot.digest), snapshot.filename, column)
        subject_hashes = frozenset(hashed(secret, name) for row in rows if (name := subject_of(row, column)))
    except FalajError as error:
        return Searched(snapshot.digest, snapshot.source, None, error.message)
    except Exception as error:  # whatever a strange file does to a reader must not end the worker
        return Searched(snapshot.digest, snapshot.source, None, f"it cannot be read: {type(error).__name__}")
    return Searched(snapshot.digest, snapshot.source, subject_hashes)


def unsearched(session: Session, snapshots: Iterable[SourceReading]) -> list[SourceReading]:
    """Those with people in them that the index does not know yet, or knows as erased."""
    return [each for each in snapshots if each.label.subject_key and not _is_known(session, each)]


def remember(session: Session, searched: Iterable[Searched], now: float) -> None:
    """Write into the index what searches found; a snapshot that was erased and is back is known again."""
    for each in searched:
        row = session.get_one(LabelledSnapshotRow, (each.digest, each.source))
        row.note = each.note
        if each.subjects is not None:
            _index(session, each.digest, each.subjects)
            row.indexed_at, row.subjects, row.erased_at = now, len(each.subjects), None


def returned(session: Session, searched: Iterable[Searched]) -> dict[str, int]:
    """Sources that hold people whose data was erased, with how many; asked before `remember`."""
    erased_counts = {each.source: len(_erased(session, each.subjects or ())) for each in searched}
    return {source: count for source, count in erased_counts.items() if count}


def snapshots_of(session: Session, subject: str) -> list[str]:
    """Digests of the snapshots that hold data of a person, by the hash of the person."""
    return list(
        session.scalars(select(SubjectRow.digest).where(SubjectRow.subject == subject).order_by(SubjectRow.digest))
    )


def erased_at(session: Session, subject: str) -> float | None:
    """When the data of a person was erased last; None when it never was."""
    return session.scalar(select(ErasedSubjectRow.erased_at).where(ErasedSubjectRow.subject == subject))


def note_erased(session: Session, subject: str, request: str, now: float) -> None:
    """Take a person out of the index, and remember that it was asked for."""
    session.execute(delete(SubjectRow).where(SubjectRow.subject == subject))
    session.merge(ErasedSubjectRow(subject=subject, request=request, erased_at=now))


def export(store: ArtifactStore, snapshots: Iterable[SourceReading], subject: str) -> Iterator[dict[str, Any]]:
    """A person's rows, with where each is from.

    Raises:
        UnreadableError: A snapshot cannot be read.
    """
    for each in snapshots:
        column = each.label.subject_key
        for row in rows_of(store, Digest(each.digest), each.filename, column):
            if subject_of(row, column) == subject.strip():
                yield {"source": each.source, "snapshot": each.digest, "row": dict(row)}


def _sealed(vault: Vault) -> str:
    return vault.seal(secrets.token_hex(32), _CONTEXT)


def _is_known(session: Session, snapshot: SourceReading) -> bool:
    row = session.get(LabelledSnapshotRow, (snapshot.digest, snapshot.source))
    return row is not None and row.indexed_at is not None and row.erased_at is None


def _index(session: Session, digest: str, subjects: Collection[str]) -> None:
    rows = [{"subject": subject, "digest": digest} for subject in sorted(subjects)]
    for chunk in _chunks(rows):
        session.execute(_insert_new(session, SubjectRow), chunk)


def _erased(session: Session, subjects: Collection[str]) -> set[str]:
    matches: set[str] = set()
    for chunk in _chunks(sorted(subjects)):
        matches |= set(session.scalars(select(ErasedSubjectRow.subject).where(ErasedSubjectRow.subject.in_(chunk))))
    return matches


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _insert_new(session: Session, table: type[Any]) -> Insert:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()
