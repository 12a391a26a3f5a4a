"""Data keys of a machine: made once, found by id, gone for everybody when one process destroys them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.supply_chain.encryption import (
    KeyGoneError,
    KeyScope,
    KeyState,
    Keystore,
    RootKeyError,
    WrappedKey,
    merged,
    newest,
)
from falaj.supply_chain.encryption.file_root import FileRoot

HERE = KeyScope(jurisdiction="AE")


def chest(folder: Path, **options: object) -> Keystore:
    return Keystore(folder / "data-keys.json", FileRoot(folder / "root.key"), **options)  # type: ignore[arg-type]


def test_the_first_use_makes_a_key_and_the_next_finds_it(tmp_path: Path) -> None:
    data_key = chest(tmp_path).current(HERE)
    assert chest(tmp_path).current(HERE) == data_key == chest(tmp_path).find(data_key.id)
    assert stat.S_IMODE((tmp_path / "data-keys.json").stat().st_mode) == 0o600
    assert data_key.secret.hex() not in (tmp_path / "data-keys.json").read_text()


def test_each_scope_has_a_key_of_its_own(tmp_path: Path) -> None:
    keys = chest(tmp_path)
    scopes = [KeyScope(), HERE, KeyScope("other", "AE"), KeyScope(jurisdiction="AE", subject="person-1")]
    assert len({keys.current(scope).secret for scope in scopes}) == len(scopes)


def test_a_destroyed_key_is_gone_in_every_process_at_its_next_use(tmp_path: Path) -> None:
    reader, destroyer = chest(tmp_path), chest(tmp_path)
    key = reader.current(HERE)
    assert reader.find(key.id)
    destroyer.change(lambda keys: [each.destroyed(5.0) for each in keys])
    with pytest.raises(KeyGoneError) as raised:
        reader.find(key.id)
    assert raised.value.code == "encryption.key-destroyed"
    assert reader.current(HERE).id != key.id, "what is new gets another key"
    assert json.loads((tmp_path / "data-keys.json").read_text())["keys"][0]["wrapped"] == ""


def test_a_retired_key_reads_and_a_newer_one_writes(tmp_path: Path) -> None:
    keys = chest(tmp_path)
    old = keys.current(HERE)
    keys.change(lambda own: [*(key.retired(5.0) for key in own), keys.make(HERE)])
    assert keys.current(HERE).id != old.id and keys.find(old.id) == old


def test_an_unknown_key_is_asked_for_once_more_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    elsewhere = Keystore(tmp_path / "there" / "keys.json", FileRoot(tmp_path / "root.key"))
    key = elsewhere.current(HERE)
    here = chest(tmp_path)
    with pytest.raises(KeyGoneError) as raised:
        here.find(key.id)
    assert raised.value.code == "encryption.key-unknown"
    here.more = elsewhere.entries
    assert here.find(key.id) == key


def test_a_list_from_a_backup_brings_no_destroyed_key_back(tmp_path: Path) -> None:
    keys = chest(tmp_path)
    key, backup = keys.current(HERE), keys.entries()
    keys.change(lambda own: [each.destroyed(1.0) for each in own])
    keys.learn(backup)
    with pytest.raises(KeyGoneError):
        keys.find(key.id)


def test_another_root_key_opens_nothing_and_says_which_one_did(tmp_path: Path) -> None:
    key = chest(tmp_path).current(HERE)
    other = Keystore(tmp_path / "data-keys.json", FileRoot(tmp_path / "second.key"))
    with pytest.raises(RootKeyError, match=r"by the root key file:root.key, not by file:second.key"):
        other.find(key.id)


def test_a_wrapped_key_is_of_use_in_its_own_scope_only(tmp_path: Path) -> None:
    keys = chest(tmp_path)
    keys.current(HERE)
    path = tmp_path / "data-keys.json"
    path.write_text(path.read_text().replace('"AE"', '"US"'))
    with pytest.raises(RootKeyError, match="did not wrap"):
        chest(tmp_path).current(KeyScope(jurisdiction="US"))


def test_rewrapping_changes_the_root_and_not_the_data_keys(tmp_path: Path) -> None:
    keys, new = chest(tmp_path), FileRoot(tmp_path / "second.key")
    key = keys.current(HERE)
    keys.change(lambda own: keys.rewrapped([*own, keys.make(KeyScope()).destroyed(1.0)], new))
    assert Keystore(tmp_path / "data-keys.json", new).find(key.id) == key
    with pytest.raises(RootKeyError):
        chest(tmp_path).find(key.id)


@pytest.mark.integration
def test_processes_that_begin_together_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from falaj.supply_chain.encryption import *; f = Path(sys.argv[1])\n"
        "chest = Keystore(f / 'data-keys.json', open_root('', f, {}))\n"
        "print(chest.current(KeyScope()).id)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len(keys := {process.communicate()[0] for process in processes}) == 1 and keys != {b""}
    assert len(chest(tmp_path).entries()) == 1


states = st.sampled_from(KeyState)
wrapped = st.builds(
    WrappedKey,
    id=st.sampled_from(["a", "b"]),
    scope=st.just(HERE),
    state=states,
    root=st.just("r"),
    wrapped=st.just("w"),
    created_at=st.just(1.0),
    changed_at=st.floats(0, 9),
)


@given(st.lists(wrapped, max_size=5), st.lists(wrapped, max_size=5))
def test_merging_never_revives_and_does_not_depend_on_who_asks(
    left_keys: list[WrappedKey], right: list[WrappedKey]
) -> None:
    both = merged(left_keys, right)
    assert {(k.id, k.state, k.changed_at) for k in both} == {
        (k.id, k.state, k.changed_at) for k in merged(right, left_keys)
    }
    assert merged(both, left_keys, right) == both
    gone = {key.id for key in [*left_keys, *right] if key.state is KeyState.DESTROYED}
    assert {key.id for key in both if key.state is KeyState.DESTROYED} == gone


@given(st.lists(wrapped, max_size=6))
def test_only_a_current_key_encrypts(keys: list[WrappedKey]) -> None:
    newest_key = newest(keys, HERE)
    assert (newest_key is not None) == any(key.state is KeyState.CURRENT for key in keys)
    assert newest_key is None or newest_key.state is KeyState.CURRENT
    assert newest(keys, KeyScope()) is None


@given(wrapped)
def test_a_key_is_read_back_from_json(key: WrappedKey) -> None:
    assert WrappedKey.from_json(json.loads(json.dumps(key.to_json()))) == key
