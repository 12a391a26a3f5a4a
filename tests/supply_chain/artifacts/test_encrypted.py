"""An encrypted store does what a store does, under the same names, and keeps nothing readable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.supply_chain.artifacts import (
    ArtifactErasedError,
    ArtifactMissingError,
    ArtifactStore,
    StoreSealedError,
    open_home_store,
    open_store,
)
from falaj.supply_chain.encryption import KeyState, Mode, home_scope, mode, open_chest
from tests.supply_chain.artifacts.conftest import content


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.e2e)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """An installation whose store is empty."""
    url = {} if request.param == "folder" else {"FALAJ_STORE": request.getfixturevalue("s3_url")}
    return Home(tmp_path / "home", url).prepare()


@pytest.fixture
def store(home: Home) -> ArtifactStore:
    return open_home_store(home)


def stored(home: Home) -> dict[str, bytes]:
    """Everything that lies in a folder store."""
    folder = Path(home.store_url)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_are_those_of_the_plaintext(store: ArtifactStore, tree: Path, tmp_path: Path) -> None:
    artifact = store.put(tree)
    assert artifact == open_store(str(tmp_path / "clear")).put(tree)
    assert store.has(artifact.digest) and store.put(tree) == artifact
    store.verify(artifact.digest)
    assert content(store.fetch(artifact.digest, tmp_path / "copy")) == content(tree)


def test_large_files_pass_in_pieces(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom((9 << 20) + 3))
    digest = store.put(tmp_path / "large").digest
    with store.open(digest) as file:
        assert file.read() == (tmp_path / "large").read_bytes()


def test_nothing_readable_lies_in_it(tmp_path: Path, tree: Path) -> None:
    home = Home(tmp_path / "home", {}).prepare()
    store = open_home_store(home)
    (tree / "note.txt").write_text("name: Maryam, diagnosis: none " * 10)
    store.put(tree)
    store.set_ref("steps/a", b"Maryam")
    stored_files = stored(home)
    assert not [path for path, data in stored_files.items() if b"Maryam" in data or b"note.txt" in data]
    assert all(
        data.startswith(b"FALAJENC")
        for path, data in stored_files.items()
        if path.startswith(("blobs", "manif", "refs"))
    )


def test_another_process_of_the_installation_reads_it(home: Home, store: ArtifactStore) -> None:
    digest = store.put_bytes(b"shared").digest
    assert open_home_store(home).read_bytes(digest) == b"shared"


def test_collection_and_damage_work_as_ever(store: ArtifactStore, tree: Path) -> None:
    kept_digest, lost = store.put(tree).digest, store.put_bytes(b"nobody wants it").digest
    collected = store.collect([kept_digest], grace_s=0.0, now=4e9)
    assert (collected.blobs, collected.bytes) == (1, 15)
    assert store.has(kept_digest) and not store.has(lost) and not store.discard_damaged(kept_digest)


def test_refs_come_back_and_are_listed(store: ArtifactStore) -> None:
    store.set_ref("steps/a", b"1")
    store.set_ref("steps/a", b"22")
    assert store.get_ref("steps/a") == b"22" and list(store.refs("steps/")) == ["steps/a"]
    assert store.get_ref("steps/b") is None


def test_destroying_the_key_erases_and_the_same_content_can_be_put_again(home: Home, store: ArtifactStore) -> None:
    digest = store.put_bytes(b"about a person").digest
    store.set_ref("steps/a", b"1")
    chest = open_chest(home)
    key = chest.current(home_scope(home.settings))
    chest.change(lambda keys: [each.destroyed(1.0) for each in keys])
    with pytest.raises(ArtifactErasedError) as raised:
        store.read_bytes(digest)
    assert raised.value.code == "artifact.erased" and isinstance(raised.value, ArtifactMissingError)
    assert store.get_ref("steps/a") is None and not store.has(digest)
    assert store.remove_erased({key.id}) == 3
    assert store.put_bytes(b"about a person").digest == digest
    assert store.read_bytes(digest) == b"about a person"


def test_after_a_rotation_old_and_new_are_read(home: Home, store: ArtifactStore) -> None:
    before = store.put_bytes(b"before").digest
    chest = open_chest(home)
    scope = home_scope(home.settings)
    chest.change(lambda keys: [*(each.retired(1.0) for each in keys), chest.make(scope)])
    after = store.put_bytes(b"after").digest
    assert store.read_bytes(before) == b"before" and store.read_bytes(after) == b"after"
    assert [key.state for key in chest.entries()] == [KeyState.RETIRED, KeyState.CURRENT]


def test_what_began_in_the_clear_stays_so_unless_it_must_not(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {}).prepare()
    digest = open_store(home.store_url).put_bytes(b"old").digest
    assert open_home_store(home).read_bytes(digest) == b"old"
    assert not (home.keys / "data-keys.json").exists()
    with pytest.raises(StoreSealedError) as raised:
        open_home_store(Home(home.root, {"FALAJ_ENCRYPTION": "on"}))
    assert raised.value.code == "artifact.store-in-the-clear"


def test_off_means_off_and_cannot_hide_an_encrypted_store(tmp_path: Path) -> None:
    off = {"FALAJ_ENCRYPTION": "off"}
    clear = Home(tmp_path / "clear", off).prepare()
    open_home_store(clear).put_bytes(b"plain")
    assert any(data == b"plain" for data in stored(clear).values())
    sealed = Home(tmp_path / "sealed", {}).prepare()
    open_home_store(sealed).put_bytes(b"x")
    for attempt in (lambda: open_home_store(Home(sealed.root, off)), lambda: open_store(sealed.store_url)):
        with pytest.raises(StoreSealedError) as raised:
            attempt()
        assert raised.value.code == "artifact.store-sealed"


def test_the_setting_is_one_of_three() -> None:
    assert mode({}) is Mode.AUTO and mode({"FALAJ_ENCRYPTION": "on"}) is Mode.ON
    with pytest.raises(UsageError, match="not a way to encrypt"):
        mode({"FALAJ_ENCRYPTION": "yes"})


def test_an_erased_artifact_is_gone_and_what_it_shares_with_a_kept_one_stays(
    home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    for name, rows in (("kept", "shared"), ("erased", "a person")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "common").write_text("shared")
        (tmp_path / name / "rows").write_text(rows)
    kept_digest, erased = store.put(tmp_path / "kept").digest, store.put(tmp_path / "erased").digest
    assert store.is_encrypted
    assert store.encrypted_by(erased) == {open_chest(home).current(home_scope(home.settings)).id}
    assert store.erase([erased, erased], keep=[kept_digest]) == 2
    assert not store.has(erased) and store.encrypted_by(erased) == set()
    store.verify(kept_digest)
    assert store.erase([erased]) == 0
    assert store.put(tmp_path / "erased").digest == erased
    store.verify(erased)
