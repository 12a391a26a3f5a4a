"""Data keys as rows: the machines' lists follow them, and nothing brings a destroyed one back."""

from __future__ import annotations

from pathlib import Path

import pytest

from falaj.storage import Database
from falaj.supply_chain.encryption import KeyChest, KeyGoneError, KeyState, Scope, open_root
from falaj.trust import secrets as keys
from falaj.trust.secrets import UnknownKeyError


def machine(folder: Path, name: str) -> KeyChest:
    """A machine of an installation whose root key all machines reach."""
    return KeyChest(folder / name / "data-keys.json", open_root("", folder / "root", {}))


def test_machines_learn_of_each_other_through_the_rows(database: Database, tmp_path: Path) -> None:
    first, second = machine(tmp_path, "a"), machine(tmp_path, "b")
    key = first.current(Scope())
    keys.synchronise(database, first)
    keys.synchronise(database, second)
    assert second.current(Scope()) == key
    later = first.current(Scope(jurisdiction="AE"))
    keys.synchronise(database, first)
    assert second.find(later.id) == later, "an unknown key is looked up in the rows"


def test_rotation_leaves_one_key_to_write_with(database: Database, tmp_path: Path) -> None:
    chest = machine(tmp_path, "a")
    old = chest.current(Scope())
    keys.synchronise(database, chest)
    with database.transaction() as session:
        changed = keys.rotate(session, chest, Scope())
    chest.learn(changed)
    assert chest.current(Scope()).id == changed[-1].id != old.id
    assert chest.find(old.id) == old
    with database.reading() as session:
        assert [key.state for key in keys.known(session)] == [KeyState.RETIRED, KeyState.CURRENT]


def test_a_destroyed_key_stays_destroyed_whatever_a_machine_remembers(database: Database, tmp_path: Path) -> None:
    chest, away = machine(tmp_path, "a"), machine(tmp_path, "b")
    key = chest.current(Scope())
    for each in (chest, away):
        keys.synchronise(database, each)
    with database.transaction() as session:
        gone = keys.destroy(session, key.id, now=9.0)
    assert (gone.state, gone.wrapped) == (KeyState.DESTROYED, "")
    for each in (away, chest):
        keys.synchronise(database, each)
        with pytest.raises(KeyGoneError):
            each.find(key.id)
    with database.reading() as session:
        assert [(each.state, each.wrapped) for each in keys.known(session)] == [(KeyState.DESTROYED, "")]


def test_a_key_that_does_not_exist_cannot_be_destroyed(database: Database) -> None:
    with pytest.raises(UnknownKeyError) as raised, database.transaction() as session:
        keys.destroy(session, "00" * 16, now=1.0)
    assert raised.value.code == "keys.unknown"


def test_a_person_has_a_key_of_their_own(database: Database, tmp_path: Path) -> None:
    chest, person = machine(tmp_path, "a"), Scope(jurisdiction="AE", subject="person-17")
    with database.transaction() as session:
        made = keys.subject_key(session, chest, person)
        assert keys.subject_key(session, chest, person) == made
        assert [key.scope for key in keys.known(session)] == [person]
