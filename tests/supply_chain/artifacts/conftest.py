"""Every test of the store runs on a folder and on a real S3 server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import ArtifactStore, open_store
from tests.servers import S3Server, s3_server

__all__ = ["s3_server"]

BACK_ENDS = ("folder", pytest.param("s3", marks=pytest.mark.e2e))


@pytest.fixture(params=BACK_ENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty store."""
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3_url")


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of an empty store in S3."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.url(f"test/{os.urandom(6).hex()}")


@pytest.fixture
def store(url: str) -> ArtifactStore:
    return open_store(url)


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with everything that an artifact keeps."""
    root = tmp_path / "tree"
    make_tree(
        root,
        {"a/deep/x.txt": b"same", "a/y.txt": b"same", "empty.bin": b"", "z.bin": bytes(range(256)) * 9},
    )
    (root / "nothing" / "here").mkdir(parents=True)
    (root / "a" / "y.txt").chmod(0o755)
    (root / "ünïcode ☃.txt").write_bytes(b"snow")
    return root


def make_tree(root: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def content(root: Path) -> dict[str, tuple[str, bytes, bool]]:
    """What is in a tree: kind, bytes and executable bit of everything below it."""
    return {
        str(path.relative_to(root)): ("d", b"", False)
        if path.is_dir()
        else ("f", path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def damage(url: str) -> Callable[[str, bytes | None], None]:
    """Replace a stored object's bytes behind the store's back, or remove it (None)."""
    from falaj.supply_chain.artifacts.factory import open_backend

    backend = open_backend(url)

    def change(key: str, data: bytes | None) -> None:
        assert backend.size(key) is not None
        backend.delete(key)
        if data is not None:
            backend.write(key, [data], len(data))

    return change
