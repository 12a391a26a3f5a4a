"""Many processes at once: writers, readers and garbage collection, none losing what another put."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import ArtifactStore, open_store
from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.factory import open_backend
from falaj.supply_chain.artifacts.reading import blob_key
from tests.supply_chain.artifacts.conftest import make_tree
from tests.supply_chain.artifacts.test_store import later
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

WRITER = """
import random, sys, time
from pathlib import Path
from falaj.supply_chain.artifacts import ArtifactMissingError, open_store
url, work, seed, seconds, grace_s, values = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
store, chance, rounds = open_store(url), random.Random(seed), 0
end = time.monotonic() + seconds
while time.monotonic() < end or rounds < 3:  # a slow machine may not get there in time
    tree = work / str(rounds)
    tree.mkdir(parents=True)
    for name in range(3):
        (tree / str(name)).write_bytes(b"%d" % chance.randrange(values))
    started = time.monotonic()
    try:
        digest = store.put(tree).digest
        store.verify(digest)
        store.fetch(digest, work / f"copy{rounds}")
    except ArtifactMissingError:
        if time.monotonic() - started < grace_s / 2:  # a machine that stalls for longer breaks the bargain
            raise
    rounds += 1
print(rounds)
"""

COLLECTOR = """
import sys, time
from falaj.supply_chain.artifacts import open_store
store, removed = open_store(sys.argv[1]), 0
end = time.monotonic() + float(sys.argv[2])
latest = end + 300  # a slow machine may fall out of grace only when the writers have ended
while time.monotonic() < end or (removed == 0 and time.monotonic() < latest):
    removed += store.collect([], grace_s=float(sys.argv[3]), now=time.time()).blobs
print(removed)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    with process:
        output, errors = process.communicate(timeout=HANGS_AFTER_S)
    assert process.returncode == 0, errors
    return int(output)


@pytest.mark.faults
def test_writers_readers_and_collectors(url: str, tmp_path: Path) -> None:
    """Some tiny blobs are put again about as often as they fall out of grace, so all kinds of meetings occur."""
    seconds, grace_s, values = (15, 2, 150) if url.startswith("s3") else (5, 1, 900)
    writers = [start(WRITER, url, tmp_path / f"w{seed}", seed, seconds, grace_s, values) for seed in range(3)]
    collectors = [start(COLLECTOR, url, seconds, grace_s) for _ in range(2)]
    assert min(finish(writer) for writer in writers) >= 3
    assert sum(finish(collector) for collector in collectors) > 0


def test_the_same_content_at_the_same_time(url: str, tmp_path: Path) -> None:
    code = "import sys; from falaj.supply_chain.artifacts import open_store; " + (
        "print(int(open_store(sys.argv[1]).put(sys.argv[2]).digest[7:15], 16))"
    )
    tree = make_tree(tmp_path / "tree", {f"{i}": bytes([i]) * 50_000 for i in range(30)})
    results = [finish(process) for process in [start(code, url, tree) for _ in range(4)]]
    artifact = open_store(url).put(tree)
    assert results == [int(artifact.digest[7:15], 16)] * 4
    open_store(url).verify(artifact.digest)
    assert len(list(open_backend(url).entries("blobs"))) == 30


def test_a_killed_writer_leaves_nothing_to_find(local: ArtifactStore, tmp_path: Path) -> None:
    """Killed while it writes a blob: no blob appears, and collection removes the half."""
    code = """
import os, sys, time
from falaj.supply_chain.artifacts.factory import open_backend
def chunks():
    yield b"half"
    print(1, flush=True)
    time.sleep(60)
open_backend(sys.argv[1]).write("blobs/ab/" + "0" * 62, chunks(), 8)
"""
    process = start(code, local.url)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    leftovers = Path(local.url) / "tmp"
    assert len(list(leftovers.iterdir())) == 1
    assert list(open_backend(local.url).entries("blobs")) == []
    local.collect([], grace_s=3600, now=time.time())
    assert len(list(leftovers.iterdir())) == 1, "it could still be at work"
    local.collect([], grace_s=0, now=later())
    assert list(leftovers.iterdir()) == []


class TestRenewalAgainstRemoval:
    """The one race that matters: a writer finds an old blob and relies on it while a collection removes it."""

    KEY = "blobs/ab/" + "0" * 62

    @pytest.fixture
    def backend(self, url: str) -> BlobBackend:
        backend = open_backend(url)
        backend.write(self.KEY, [b"old"], 3)
        return backend

    def test_renewed_before(self, backend: BlobBackend) -> None:
        time.sleep(2.1)
        cutoff = time.time()
        time.sleep(0.1)
        assert backend.renew(self.KEY) == 3
        assert list(backend.remove_stale("blobs", set(), cutoff)) == []
        assert backend.size(self.KEY) == 3

    def test_renewed_after(self, backend: BlobBackend) -> None:
        assert [stored.key for stored in backend.remove_stale("blobs", set(), later())] == [self.KEY]
        assert backend.renew(self.KEY) is None

    def test_kept(self, backend: BlobBackend) -> None:
        assert list(backend.remove_stale("blobs", {self.KEY}, later())) == []
        assert backend.renew(self.KEY) == 3


@pytest.mark.e2e
class TestClosedShards:
    """S3 has no locks; markers do the same."""

    KEY = "blobs/ab/" + "0" * 62

    @pytest.fixture
    def backend(self, s3_url: str) -> BlobBackend:
        backend = open_backend(s3_url)
        backend.write(self.KEY, [b"old"], 3)
        return backend

    def test_a_writer_waits_until_the_shard_is_open(self, backend: BlobBackend) -> None:
        import threading

        from falaj.supply_chain.artifacts.s3_shards import closed

        renewals: list[int | None] = []
        writer = threading.Thread(target=lambda: renewals.append(backend.renew(self.KEY)))
        with closed(backend._bucket, "blobs/ab"):  # type: ignore[attr-defined]
            writer.start()
            time.sleep(0.4)
            assert renewals == []
            backend.delete(self.KEY)
        writer.join(HANGS_AFTER_S)
        assert renewals == [None]

    def test_a_crashed_collection_holds_writers_up_for_a_while_only(self, s3_url: str) -> None:
        from falaj.supply_chain.artifacts.s3 import S3Backend
        from falaj.supply_chain.artifacts.s3_address import open_bucket, parse_address

        backend = S3Backend(open_bucket(parse_address(s3_url)), s3_url, closed_s=0.5)
        backend.write(self.KEY, [b"old"], 3)
        backend.write("closed/blobs/ab/crashed", [b""], 0)
        started = time.monotonic()
        assert backend.renew(self.KEY) == 3
        assert time.monotonic() - started > 0.5
        assert list(backend.entries("closed")) == []

    def test_a_slow_collection_gives_up(self, s3_url: str) -> None:
        from falaj.supply_chain.artifacts.s3 import S3Backend
        from falaj.supply_chain.artifacts.s3_address import open_bucket, parse_address

        backend = S3Backend(open_bucket(parse_address(s3_url)), s3_url, closed_s=0)
        backend.write(self.KEY, [b"old"], 3)
        assert list(backend.remove_stale("blobs", set(), later())) == []
        assert backend.size(self.KEY) == 3

    def test_markers_do_not_pile_up(self, backend: BlobBackend) -> None:
        backend.renew(self.KEY)
        assert len(list(backend.entries("renewed"))) == 1
        list(backend.remove_stale("blobs", {self.KEY}, later()))
        assert list(backend.entries("renewed")) == []
        assert list(backend.entries("closed")) == []


def test_blobs_of_a_fresh_manifest_survive_although_they_are_old(store: ArtifactStore, url: str) -> None:
    """A manifest that was put lately keeps its blobs, even when they were stored long before."""
    digest = store.put_bytes(b"x").digest
    blob = store.manifest(digest).files[0].blob
    time.sleep(2.1)
    cutoff = time.time()
    time.sleep(0.1)
    backend = open_backend(url)
    key = f"manifests/{digest[7:9]}/{digest[9:]}"
    backend.renew(key)
    assert store.collect([], grace_s=0, now=cutoff).blobs == 0
    assert backend.size(blob_key(blob)) == 1
