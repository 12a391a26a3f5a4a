"""Data keys as rows: the machines' lists follow them, and nothing brings a destroyed one back."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.storage import Database
from falaj.supply_chain.encryption import KeyGoneError, KeyScope, KeyState, Keystore, open_root
from falaj.trust import secrets
from falaj.trust.secrets import UnknownKeyError

pytestmark = pytest.mark.integration


def machine(folder: Path, name: str) -> Keystore:
    """A machine of an installation whose root key all machines reach."""
    return Keystore(folder / name / "data-keys.json", open_root("", folder / "root", {}))


def test_machines_learn_of_each_other_through_the_rows(database: Database, tmp_path: Path) -> None:
    first, second = machine(tmp_path, "a"), machine(tmp_path, "b")
    key = first.current(KeyScope())
    secrets.synchronise(database, first)
    secrets.synchronise(database, second)
    assert second.current(KeyScope()) == key
    later = first.current(KeyScope(jurisdiction="AE"))
    secrets.synchronise(database, first)
    assert second.find(later.id) == later, "an unknown key is looked up in the rows"


def test_rotation_leaves_one_key_to_write_with(database: Database, tmp_path: Path) -> None:
    chest = machine(tmp_path, "a")
    old = chest.current(KeyScope())
    secrets.synchronise(database, chest)
    with database.transaction() as session:
        changed = secrets.rotate(session, chest, KeyScope())
    chest.learn(changed)
    assert chest.current(KeyScope()).id == changed[-1].id != old.id
    assert chest.find(old.id) == old
    with database.reading() as session:
        assert [key.state for key in secrets.all_data_keys(session)] == [KeyState.RETIRED, KeyState.CURRENT]


def test_a_destroyed_key_stays_destroyed_whatever_a_machine_remembers(database: Database, tmp_path: Path) -> None:
    chest, away = machine(tmp_path, "a"), machine(tmp_path, "b")
    key = chest.current(KeyScope())
    for each in (chest, away):
        secrets.synchronise(database, each)
    with database.transaction() as session:
        gone = secrets.destroy(session, key.id, now=9.0)
    assert (gone.state, gone.wrapped) == (KeyState.DESTROYED, "")
    for each in (away, chest):
        secrets.synchronise(database, each)
        with pytest.raises(KeyGoneError):
            each.find(key.id)
    with database.reading() as session:
        assert [(each.state, each.wrapped) for each in secrets.all_data_keys(session)] == [(KeyState.DESTROYED, "")]


def test_a_key_that_does_not_exist_cannot_be_destroyed(database: Database) -> None:
    with pytest.raises(UnknownKeyError) as raised, database.transaction() as session:
        secrets.destroy(session, "00" * 16, now=1.0)
    assert raised.value.code == "keys.unknown"


def test_a_person_has_a_key_of_their_own(database: Database, tmp_path: Path) -> None:
    chest, person = machine(tmp_path, "a"), KeyScope(jurisdiction="AE", subject="person-17")
    with database.transaction() as session:
        person_key = secrets.subject_key(session, chest, person)
        assert secrets.subject_key(session, chest, person) == person_key
        assert [key.scope for key in secrets.all_data_keys(session)] == [person]
