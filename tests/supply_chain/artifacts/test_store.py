"""The store's promises, on every back end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts import (
    Artifact,
    ArtifactCorruptError,
    ArtifactMissingError,
    ArtifactStore,
    Digest,
    FileEntry,
    TargetExistsError,
    open_store,
)
from falaj.supply_chain.artifacts.reading import blob_key
from tests.supply_chain.artifacts.conftest import content, make_tree

pytestmark = pytest.mark.integration

ABSENT = Digest("sha256:" + "0" * 64)
Damage = Callable[[str, bytes | None], None]


def entry_of(store: ArtifactStore, digest: Digest, path: str = "") -> FileEntry:
    return next(entry for entry in store.manifest(digest).files if entry.path == path)


def later() -> float:
    """A time after every change so far, whatever fraction of a second the back end keeps."""
    return time.time() + 3


class TestPutAndFetch:
    def test_a_tree_comes_back_as_it_was(self, store: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        artifact = store.put(tree)
        assert store.fetch(artifact.digest, tmp_path / "out" / "copy") == tmp_path / "out" / "copy"
        assert content(tmp_path / "out" / "copy") == content(tree)
        assert (artifact.files, artifact.size) == (5, 4 + 4 + 0 + 2304 + 4)

    def test_a_file_comes_back_as_it_was(self, store: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        artifact = store.put(tree / "a" / "y.txt")
        target = store.fetch(artifact.digest, tmp_path / "copy.txt")
        assert target.read_bytes() == b"same"
        assert os.access(target, os.X_OK)

    def test_fetched_files_are_the_users_own(self, store: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        target = store.fetch(store.put(tree).digest, tmp_path / "copy")
        (target / "z.bin").write_bytes(b"changed")
        store.verify(store.put(tree).digest)

    def test_the_digest_depends_on_content_alone(self, store: ArtifactStore, tmp_path: Path) -> None:
        one = make_tree(tmp_path / "one", {"b/x": b"1", "a": b"2"})
        two = make_tree(tmp_path / "other name", {"a": b"2", "b/x": b"1"})
        os.utime(two / "a", (1, 1))
        assert store.put(one) == store.put(two)

    @pytest.mark.parametrize(
        "change",
        [
            lambda root: (root / "z.bin").write_bytes(bytes(range(255, -1, -1)) * 9),
            lambda root: (root / "z.bin").rename(root / "zz.bin"),
            lambda root: (root / "z.bin").chmod(0o755),
            lambda root: (root / "z.bin").unlink(),
            lambda root: (root / "nothing" / "here").rmdir(),
        ],
        ids=["content", "name", "executable", "absence", "empty-folder"],
    )
    def test_every_difference_changes_the_digest(
        self, local: ArtifactStore, tree: Path, change: Callable[[Path], object]
    ) -> None:
        before = local.put(tree).digest
        change(tree)
        assert local.put(tree).digest != before

    def test_bytes_are_a_plain_file(self, store: ArtifactStore, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"data")
        assert store.put_bytes(b"data") == store.put(tmp_path / "x")
        assert store.read_bytes(store.put_bytes(b"data").digest) == b"data"

    def test_the_digest_is_stable_over_versions(self, local: ArtifactStore, tmp_path: Path) -> None:
        expected = "sha256:7f652b9e46b4424acd861fb2f2cbd146b7e359a95434d37200c1b9240bf8e3a8"
        assert local.put_bytes(b"hello") == Artifact(Digest(expected), 5, 1)

    def test_an_empty_folder_and_empty_bytes(self, store: ArtifactStore, tmp_path: Path) -> None:
        (tmp_path / "void").mkdir()
        folder = store.put(tmp_path / "void")
        assert content(store.fetch(folder.digest, tmp_path / "copy")) == {}
        assert store.read_bytes(store.put_bytes(b"").digest) == b""

    def test_one_file_of_a_tree_can_be_read(self, store: ArtifactStore, tree: Path) -> None:
        digest = store.put(tree).digest
        assert store.read_bytes(digest, "a/deep/x.txt") == b"same"
        with store.open(digest, "z.bin") as stream:
            assert stream.read(10) == bytes(range(10))
            assert len(stream.read()) == 2294

    def test_a_large_file_streams_in_parts(self, store: ArtifactStore, tmp_path: Path) -> None:
        data = os.urandom(1 << 20) * 13 + b"odd"
        (tmp_path / "large").write_bytes(data)
        artifact = store.put(tmp_path / "large")
        assert store.fetch(artifact.digest, tmp_path / "copy").read_bytes() == data
        with store.open(artifact.digest) as stream:
            assert b"".join(iter(lambda: stream.read(100_001), b"")) == data

    def test_a_second_store_on_the_same_place_sees_it(self, store: ArtifactStore, url: str) -> None:
        digest = store.put_bytes(b"shared").digest
        assert open_store(url).read_bytes(digest) == b"shared"

    def test_the_path_must_exist(self, local: ArtifactStore, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            local.put(tmp_path / "nowhere")
        assert caught.value.code == "artifact.no-such-path"


class TestTargets:
    def test_nothing_is_overwritten(self, local: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        digest = local.put(tree).digest
        for target in (tree, tree / "z.bin"):
            with pytest.raises(TargetExistsError):
                local.fetch(digest, target)
        (tmp_path / "link").symlink_to("nowhere")
        with pytest.raises(TargetExistsError):
            local.fetch(digest, tmp_path / "link")

    def test_an_empty_folder_is_filled(self, local: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        (tmp_path / "given").mkdir()
        local.fetch(local.put(tree).digest, tmp_path / "given")
        assert content(tmp_path / "given") == content(tree)


class TestDamage:
    def test_absent_artifacts(self, store: ArtifactStore, tmp_path: Path) -> None:
        store.put_bytes(b"something else")
        assert not store.has(ABSENT)
        for action in (store.manifest, store.verify, store.read_bytes, store.open):
            with pytest.raises(ArtifactMissingError, match=ABSENT):
                action(ABSENT)
        with pytest.raises(ArtifactMissingError):
            store.fetch(ABSENT, tmp_path / "out")

    @pytest.mark.parametrize("data", [b"SAME", b"sam", b"same and more", b""])
    def test_a_damaged_blob_is_never_read(
        self, store: ArtifactStore, tree: Path, tmp_path: Path, damage: Damage, data: bytes
    ) -> None:
        digest = store.put(tree).digest
        damage(blob_key(entry_of(store, digest, "a/y.txt").blob), data)
        with pytest.raises(ArtifactCorruptError) as caught:
            store.fetch(digest, tmp_path / "out" / "copy")
        assert digest in caught.value.where
        assert list((tmp_path / "out").iterdir()) == []
        with pytest.raises(ArtifactCorruptError, match=r"a/y\.txt"):
            store.read_bytes(digest, "a/y.txt")
        with pytest.raises(ArtifactCorruptError), store.open(digest, "a/y.txt") as stream:
            stream.read()
        with pytest.raises(ArtifactCorruptError):
            store.verify(digest)

    def test_a_lost_blob_is_named_and_can_be_put_again(
        self, store: ArtifactStore, tree: Path, tmp_path: Path, damage: Damage
    ) -> None:
        digest = store.put(tree).digest
        damage(blob_key(entry_of(store, digest, "z.bin").blob), None)
        assert not store.has(digest)
        for read in (lambda: store.fetch(digest, tmp_path / "copy"), lambda: store.open(digest, "z.bin")):
            with pytest.raises(ArtifactMissingError, match=r"z\.bin"):
                read()
        store.put(tree)
        store.verify(digest)

    def test_a_truncated_blob_is_replaced_by_the_next_put(
        self, store: ArtifactStore, tree: Path, damage: Damage
    ) -> None:
        digest = store.put(tree).digest
        damage(blob_key(entry_of(store, digest, "z.bin").blob), b"short")
        assert not store.has(digest)
        store.put(tree)
        store.verify(digest)

    def test_a_blob_damaged_at_the_same_size_is_replaced_once_it_is_discarded(
        self, store: ArtifactStore, tree: Path, damage: Damage
    ) -> None:
        digest = store.put(tree).digest
        damage(blob_key(entry_of(store, digest, "z.bin").blob), bytes(2304))
        store.put(tree)
        with pytest.raises(ArtifactCorruptError):
            store.verify(digest)
        assert store.discard_damaged(digest)
        assert not store.discard_damaged(digest)
        assert not store.has(digest)
        assert store.read_bytes(digest, "a/y.txt") == b"same"
        store.put(tree)
        store.verify(digest)

    def test_only_what_is_damaged_is_discarded(self, store: ArtifactStore, tree: Path, damage: Damage) -> None:
        digest = store.put(tree).digest
        assert not store.discard_damaged(digest)
        assert not store.discard_damaged(ABSENT)
        store.verify(digest)
        data = store.manifest(digest).encode()
        damage(f"manifests/{digest[7:9]}/{digest[9:]}", data.replace(b"z.bin", b"y.bin"))
        assert store.discard_damaged(digest)
        store.put(tree)
        store.verify(digest)

    def test_a_damaged_manifest(self, store: ArtifactStore, damage: Damage) -> None:
        digest = store.put_bytes(b"x").digest
        damage(f"manifests/{digest[7:9]}/{digest[9:]}", b"{}")
        assert not store.has(digest)
        with pytest.raises(ArtifactCorruptError, match="manifest"):
            store.read_bytes(digest)
        store.put_bytes(b"x")
        assert store.read_bytes(digest) == b"x"

    def test_a_name_that_is_no_digest(self, local: ArtifactStore) -> None:
        for text in ("", "sha256:", "sha256:" + "A" * 64, "../../etc/passwd", ABSENT + "0"):
            with pytest.raises(UsageError):
                local.manifest(Digest(text))

    def test_files_that_a_tree_does_not_have(self, local: ArtifactStore, tree: Path) -> None:
        digest = local.put(tree).digest
        for path in ("", "a", "nope"):
            with pytest.raises(ArtifactMissingError):
                local.read_bytes(digest, path)


class TestRefs:
    def test_a_ref_is_written_replaced_listed_and_removed(self, store: ArtifactStore) -> None:
        assert store.get_ref("steps/abc") is None
        store.set_ref("steps/abc", b"1")
        store.set_ref("steps/abc", b"22")
        store.set_ref("steps", b"a folder's name is free too")
        store.set_ref("steps/abd/e", b"")
        assert store.get_ref("steps/abc") == b"22"
        assert store.get_ref("steps/abd/e") == b""
        assert sorted(store.refs()) == ["steps", "steps/abc", "steps/abd/e"]
        assert sorted(store.refs("steps/ab")) == ["steps/abc", "steps/abd/e"]
        assert list(store.refs("steps/abd/")) == ["steps/abd/e"]
        store.delete_ref("steps/abc")
        store.delete_ref("steps/abc")
        assert store.get_ref("steps/abc") is None

    @pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/..", ".a", "a b", "a~", "a\n", "ü"])
    def test_names_that_could_escape(self, local: ArtifactStore, name: str) -> None:
        for action in (local.get_ref, local.delete_ref, lambda n: local.set_ref(n, b"")):
            with pytest.raises(UsageError):
                action(name)


class TestCollect:
    def test_only_what_a_root_reaches_stays(self, store: ArtifactStore, tree: Path, tmp_path: Path) -> None:
        root_digest = store.put(tree).digest
        gone = store.put(make_tree(tmp_path / "t2", {"own": b"12345", "shared": b"same"})).digest
        removed = store.collect([root_digest], grace_s=0, now=later())
        assert (removed.blobs, removed.bytes) == (1, 5)
        store.verify(root_digest)
        assert not store.has(gone)
        assert store.collect([root_digest], grace_s=0, now=later()).blobs == 0

    def test_grace_spares_what_was_put_lately(self, store: ArtifactStore) -> None:
        digest = store.put_bytes(b"young").digest
        assert store.collect([], grace_s=60, now=time.time()).blobs == 0
        store.verify(digest)
        assert store.collect([], grace_s=60, now=later() + 60).blobs == 1

    def test_putting_again_renews(self, store: ArtifactStore, tree: Path) -> None:
        digest = store.put(tree).digest
        time.sleep(2.1)
        between = time.time()
        time.sleep(0.1)
        store.put(tree)
        assert store.collect([], grace_s=0, now=between).blobs == 0
        store.verify(digest)

    def test_roots_that_are_gone_do_not_matter(self, store: ArtifactStore) -> None:
        store.put_bytes(b"x")
        assert store.collect([ABSENT], grace_s=0, now=later()).blobs == 1

    def test_refs_are_not_touched(self, store: ArtifactStore) -> None:
        store.set_ref("steps/a", b"1")
        store.collect([], grace_s=0, now=later())
        assert store.get_ref("steps/a") == b"1"

    def test_a_damaged_root_stops_it_before_blobs_are_lost(self, store: ArtifactStore, damage: Damage) -> None:
        digest = store.put_bytes(b"x").digest
        blob = blob_key(entry_of(store, digest).blob)
        damage(f"manifests/{digest[7:9]}/{digest[9:]}", b"{}")
        with pytest.raises(ArtifactCorruptError):
            store.collect([digest], grace_s=0, now=later())
        damage(blob, b"x")  # which asserts that it is still there

    def test_it_can_run_on_an_empty_store(self, store: ArtifactStore) -> None:
        assert store.collect([], grace_s=0, now=later()).blobs == 0


names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(names.filter(lambda n: n not in (".", "..")), st.binary(max_size=50), max_size=5))
def test_any_tree_round_trips(tmp_path: Path, files: dict[str, bytes]) -> None:
    work = tmp_path / os.urandom(8).hex()
    work.mkdir()
    source = make_tree(work / "source", files)
    source.mkdir(exist_ok=True)
    store = open_store(str(work / "store"))
    assert content(store.fetch(store.put(source).digest, work / "copy")) == content(source)
