"""An unchanged file is not read again, and a changed one always is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import ArtifactStore, ingest
from falaj.supply_chain.artifacts.ingest import ScanMatch
from falaj.supply_chain.artifacts.local import LocalBackend
from falaj.supply_chain.artifacts.stat_cache import SETTLED_S, StatCache


class Clock:
    """Runs ahead of the file system, as if files had been left alone."""

    ahead_s = SETTLED_S + 1

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ArtifactStore:
    root = tmp_path / "store"
    return ArtifactStore(LocalBackend(root), stat_cache=StatCache(root / "seen", clock))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of files whose bytes were read by a put."""
    paths: list[str] = []
    read = ingest._read

    def recording(item: ScanMatch) -> Iterator[bytes]:
        paths.append(item.path)
        return read(item)

    monkeypatch.setattr(ingest, "_read", recording)
    return paths


def test_unchanged_files_are_not_read(store: ArtifactStore, tree: Path, reads: list[str]) -> None:
    first = store.put(tree)
    reads.clear()
    assert store.put(tree) == first
    assert reads == []
    store.verify(first.digest)


def test_only_the_changed_file_is_read(store: ArtifactStore, tree: Path, reads: list[str]) -> None:
    before = store.put(tree)
    reads.clear()
    (tree / "z.bin").write_bytes(bytes(2304))
    after = store.put(tree)
    assert set(reads) == {"z.bin"}
    assert after.digest != before.digest
    assert store.read_bytes(after.digest, "z.bin") == bytes(2304)


def test_setting_the_modification_time_back_hides_nothing(store: ArtifactStore, tree: Path, reads: list[str]) -> None:
    path = tree / "z.bin"
    times = path.stat()
    before = store.put(tree)
    path.write_bytes(bytes(2304))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.put(tree).digest != before.digest


def test_a_file_swapped_for_another_of_the_same_size(store: ArtifactStore, tree: Path) -> None:
    before = store.put(tree)
    (tree / "new").write_bytes(bytes(2304))
    (tree / "new").replace(tree / "z.bin")
    assert store.put(tree).digest != before.digest


def test_files_written_just_now_are_read_again(
    store: ArtifactStore, tree: Path, clock: Clock, reads: list[str]
) -> None:
    clock.ahead_s = 0
    store.put(tree)
    reads.clear()
    store.put(tree)
    assert len(reads) == 5


def test_a_lost_blob_is_stored_again(store: ArtifactStore, tree: Path) -> None:
    digest = store.put(tree).digest
    for blob in (Path(store.url) / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    assert store.put(tree).digest == digest
    store.verify(digest)


def test_broken_notes_cost_time_only(store: ArtifactStore, tree: Path) -> None:
    first = store.put(tree)
    for note in (Path(store.url) / "seen").iterdir():
        note.write_text("{not json")
    assert store.put(tree) == first
    for note in (Path(store.url) / "seen").iterdir():
        note.write_text("[[1,2]]")
    assert store.put(tree) == first


def test_collection_removes_old_notes(store: ArtifactStore, tree: Path) -> None:
    store.put(tree)
    store.collect([], grace_s=0, now=time.time() + 3)
    assert list((Path(store.url) / "seen").iterdir()) == []
