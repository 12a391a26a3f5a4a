"""The data keys of an installation as rows: the truth that the machines' own lists follow."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.storage import Database
from falaj.storage.key_tables import DataKeyRow
from falaj.supply_chain.encryption import DataKey, KeyScope, KeyState, Keystore, WrappedKey, merged, newest
from falaj.trust.secrets.errors import UnknownKeyError


def all_data_keys(session: Session) -> tuple[WrappedKey, ...]:
    """All data keys, the destroyed ones too, oldest first."""
    return merged(data_key(row) for row in session.scalars(select(DataKeyRow)))


def synchronise(database: Database, chest: Keystore) -> None:
    """Let the rows and a machine's list know of each other's keys.

    What was destroyed in either is destroyed in both afterwards: a list from a backup brings nothing back. From then
    on the list asks the rows when it meets a key that it does not know.
    """

    def rows() -> tuple[WrappedKey, ...]:
        with database.reading() as session:
            return all_data_keys(session)

    of_machine = chest.entries()
    if merged(rows(), of_machine) != rows():
        with database.transaction() as session:
            _keep(session, merged(all_data_keys(session), of_machine))
    chest.learn(rows())
    chest.more = rows


def rotate(session: Session, chest: Keystore, scope: KeyScope) -> tuple[WrappedKey, ...]:
    """Make a new key for what is written from now on; the keys before it stay for reading.

    Args:
        session: Takes the rows; commit it, then let the chest `learn` what is returned.
        chest: Makes the key.
        scope: Whose data.

    Returns:
        What changed, the new key last.
    """
    fresh = chest.make(scope)
    before = [key.retired(fresh.created_at) for key in all_data_keys(session) if key.scope == scope]
    changed = (*(key for key in before if key.state is KeyState.RETIRED), fresh)
    _keep(session, changed)
    return changed


def destroy(session: Session, key_id: str, now: float) -> WrappedKey:
    """Destroy a key, and with it all that it encrypted.

    Args:
        session: Takes the row; commit it, then let the chest `learn` what is returned.
        key_id: Which.
        now: Unix seconds.

    Returns:
        What is left of the key.

    Raises:
        UnknownKeyError: There is none of that id.
    """
    row = session.get(DataKeyRow, key_id, with_for_update=True)
    if row is None:
        raise UnknownKeyError(f"there is no data key {key_id}", hint="falaj platform key list shows them")
    gone = data_key(row).destroyed(now)
    _keep(session, [gone])
    return gone


def subject_key(session: Session, chest: Keystore, scope: KeyScope) -> DataKey:
    """The key of one person's data, made when there is none; destroying it erases the person's data alone.

    Args:
        session: Keeps a new key's row.
        chest: Opens it.
        scope: With `subject`.
    """
    key = chest.current(scope)
    if session.get(DataKeyRow, key.id) is None:
        newest_key = newest(chest.entries(), scope)
        _keep(session, [newest_key] if newest_key else [])
    return key


def _keep(session: Session, keys: Iterable[WrappedKey]) -> None:
    for key in keys:
        scope = key.scope
        session.merge(
            DataKeyRow(
                id=key.id, tenant=scope.tenant, jurisdiction=scope.jurisdiction, subject=scope.subject,
                state=key.state.value, root=key.root, wrapped=key.wrapped, created_at=key.created_at,
                changed_at=key.changed_at,
            )
        )  # fmt: skip
    session.flush()


def data_key(row: DataKeyRow) -> WrappedKey:
    """A data key as its row keeps it."""
    scope = KeyScope(row.tenant, row.jurisdiction, row.subject)
    return WrappedKey(row.id, scope, KeyState(row.state), row.root, row.wrapped, row.created_at, row.changed_at)
