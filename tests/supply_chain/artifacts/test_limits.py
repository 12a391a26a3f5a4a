"""Little memory, full disks, changing sources, broken addresses."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.core.errors import MissingExtraError, UsageError
from falaj.supply_chain.artifacts import (
    ArtifactChangedError,
    ArtifactDiskFullError,
    ArtifactStore,
    StoreUnavailableError,
    ingest,
    open_store,
)
from falaj.supply_chain.artifacts.backend import CHUNK
from falaj.supply_chain.artifacts.factory import open_backend
from falaj.supply_chain.artifacts.ingest import ScanMatch
from tests.servers import S3Server
from tests.supply_chain.artifacts.conftest import make_tree

pytestmark = pytest.mark.integration

MEGABYTES = 400
LIMIT_MB = {"folder": 60, "s3": 190}


def run(code: str, *arguments: str) -> str:
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.faults
def test_a_large_tree_needs_little_memory(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Twice the memory that it may use; `benchmarks/artifacts/large_tree.py` does it with 5 GB."""
    block = os.urandom(CHUNK)
    make_tree(tmp_path / "tree", {f"small/{i}": block[i:] for i in range(60)})
    with (tmp_path / "tree" / "large").open("wb") as large:
        for i in range(MEGABYTES - 60):
            large.write(block[i:] + block[:i])
    peak = run(
        """
        import pathlib, re, sys
        from falaj.supply_chain.artifacts import open_store
        store = open_store(sys.argv[1])
        digest = store.put(sys.argv[2]).digest
        store.verify(digest)
        store.fetch(digest, sys.argv[3])
        status = pathlib.Path("/proc/self/status").read_text()
        print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
        """,
        *(url, str(tmp_path / "tree"), str(tmp_path / "copy")),
    )
    kind = "s3" if url.startswith("s3") else "folder"

    assert int(peak) < LIMIT_MB[kind]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


class TestFullDisk:
    def test_put_leaves_nothing_and_room_helps(self, small_disk: Path, tmp_path: Path) -> None:
        make_tree(tmp_path / "tree", {"a": b"fits", "b": os.urandom(3 << 20)})
        store = open_store(str(small_disk / "store"))
        earlier = store.put_bytes(os.urandom(1 << 20)).digest
        with pytest.raises(ArtifactDiskFullError, match="No space left"):
            store.put(tmp_path / "tree")
        assert list((small_disk / "store" / "tmp").iterdir()) == []
        store.verify(earlier)
        (tmp_path / "tree" / "b").write_bytes(b"small")
        store.verify(store.put(tmp_path / "tree").digest)

    def test_fetch_leaves_nothing(self, local: ArtifactStore, small_disk: Path, tmp_path: Path) -> None:
        digest = local.put(make_tree(tmp_path / "tree", {"a": b"1", "b": os.urandom(3 << 20)})).digest
        with pytest.raises(ArtifactDiskFullError):
            local.fetch(digest, small_disk / "copy")
        assert list(small_disk.iterdir()) == []

    @pytest.mark.e2e
    def test_fetch_from_s3_leaves_nothing(self, s3_url: str, small_disk: Path) -> None:
        store = open_store(s3_url)
        digest = store.put_bytes(os.urandom(3 << 20)).digest
        with pytest.raises(ArtifactDiskFullError):
            store.fetch(digest, small_disk / "copy")
        assert list(small_disk.iterdir()) == []

    def test_a_ref_keeps_its_old_value(self, small_disk: Path) -> None:
        store = open_store(str(small_disk / "store"))
        store.set_ref("name", b"old")
        with pytest.raises(ArtifactDiskFullError):
            store.set_ref("name", os.urandom(3 << 20))
        assert store.get_ref("name") == b"old"

    def test_a_limit_on_file_size(self, tmp_path: Path) -> None:
        """The same without a mount: the process may not write files beyond a size."""
        output = run(
            """
            import os, resource, signal, sys
            from falaj.supply_chain.artifacts import ArtifactDiskFullError, open_store
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
            store = open_store(sys.argv[1])
            try:
                store.put_bytes(bytes(3 << 20))
            except ArtifactDiskFullError as error:
                print(error.code, os.listdir(sys.argv[1] + "/tmp"))
            """,
            str(tmp_path / "store"),
        )
        assert output.strip() == "artifact.disk-full []"


class TestChangingSource:
    """A put sees one state of a file, or says that it did not."""

    @pytest.fixture
    def meddle(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        """Calls its first element after each time a file was read."""
        actions: list[object] = []
        read = ingest._read

        def meddling(item: ScanMatch) -> Iterator[bytes]:
            yield from read(item)
            if actions:
                actions[0]()  # type: ignore[operator]

        monkeypatch.setattr(ingest, "_read", meddling)
        return actions

    @pytest.mark.parametrize("data", [b"other", b"longer than before"])
    def test_written_between_hashing_and_copying(
        self, store: ArtifactStore, tmp_path: Path, meddle: list[object], data: bytes
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"bytes")
        meddle.append(lambda: source.write_bytes(data))
        with pytest.raises(ArtifactChangedError, match="source"):
            store.put(source)

    def test_removed_between_hashing_and_copying(
        self, store: ArtifactStore, tmp_path: Path, meddle: list[object]
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"bytes")
        meddle.append(lambda: source.unlink(missing_ok=True))
        with pytest.raises(ArtifactChangedError):
            store.put(source)

    def test_no_blob_is_ever_stored_under_a_wrong_name(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even when the source's times do not show the change, and in parts as well as whole."""
        for size in (10, 12 << 20):
            source = tmp_path / f"source{size}"
            source.write_bytes(bytes(size))
            answers = iter([[bytes(size)], [b"\1" * size]])
            with monkeypatch.context() as patch, pytest.raises(ArtifactChangedError):
                patch.setattr(ingest, "_read", lambda item, answers=answers: iter(next(answers)))
                open_store(url).put(source)
        assert list(open_backend(url).entries("blobs")) == []


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://host/x",
            "file://host/x",
            "s3://",
            "s3://ab/x",
            "s3://bucket/x?endpoint=localhost:80",
            "s3://bucket/x?nonsense=1",
        ],
    )
    def test_bad_ones(self, url: str) -> None:
        with pytest.raises(UsageError) as caught:
            open_store(url)
        assert caught.value.code == "artifact.bad-url"

    def test_a_folder_by_url(self, tmp_path: Path) -> None:
        digest = open_store(f"file://{tmp_path}/with%20space").put_bytes(b"x").digest
        assert open_store(str(tmp_path / "with space")).has(digest)

    @pytest.mark.e2e
    def test_a_bucket_that_is_not_there(self, s3_url: str, s3_server: S3Server) -> None:
        with pytest.raises(StoreUnavailableError, match="bucket does not exist"):
            open_store(s3_server.url("x", bucket="no-such-bucket")).put_bytes(b"x")

    @pytest.mark.e2e
    def test_wrong_credentials(self, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(StoreUnavailableError, match="refuses the credentials"):
            open_store(s3_url).put_bytes(b"x")

    @pytest.mark.e2e
    def test_nobody_answers(self, s3_url: str) -> None:
        from tests.servers import free_ports

        store = open_store(f"s3://bucket/x?endpoint=http://127.0.0.1:{free_ports(1)[0]}")
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            store.put_bytes(b"x")

    def test_the_extra_is_named_when_obstore_is_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.startswith("falaj.supply_chain.artifacts.s3")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "obstore", None)
        with pytest.raises(MissingExtraError, match=r"falaj\[s3\]"):
            open_store("s3://bucket/prefix")


def test_the_local_store_imports_the_standard_library_only() -> None:
    output = run(
        """
        import sys
        import falaj.supply_chain.artifacts
        print(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"falaj"}))
        """
    )
    loaded = [name for name in output.strip("[]\n").replace("'", "").split(", ") if name]
    assert [name for name in loaded if not name.startswith(("_", "sitecustomize"))] == []
