from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import ArtifactStore, ArtifactUnsupportedError
from tests.supply_chain.artifacts.conftest import content

pytestmark = pytest.mark.integration


def outward(root: Path) -> None:
    (root / "link").symlink_to("/etc/hostname")


def sibling_with_same_start(root: Path) -> None:
    (root.parent / "tree2").mkdir()
    (root / "link").symlink_to("../tree2")


def broken(root: Path) -> None:
    (root / "link").symlink_to("nowhere")


def to_itself(root: Path) -> None:
    (root / "link").symlink_to("link")


def to_root(root: Path) -> None:
    (root / "a" / "link").symlink_to("..")


def each_other(root: Path) -> None:
    (root / "b").mkdir()
    (root / "a" / "to-b").symlink_to("../b")
    (root / "b" / "to-a").symlink_to("../a")


def pipe(root: Path) -> None:
    os.mkfifo(root / "pipe")


def unix_socket(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))


def undecodable(root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))).write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (outward, "leaves the tree"),
        (sibling_with_same_start, "leaves the tree"),
        (broken, "leads nowhere"),
        (to_itself, "leads nowhere"),
        (to_root, "folder that it is in"),
        (each_other, "folder that it is in"),
        (pipe, "named pipe"),
        (unix_socket, "socket"),
        (undecodable, "UTF-8"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_no_artifact_can_hold(
    local: ArtifactStore, tree: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(tree)
    with pytest.raises(ArtifactUnsupportedError, match=message) as caught:
        local.put(tree)
    assert str(tree) in caught.value.where
    assert list((Path(local.url) / "tmp").iterdir()) == []


def test_a_device_by_itself(local: ArtifactStore) -> None:
    with pytest.raises(ArtifactUnsupportedError, match="character device"):
        local.put("/dev/null")


def test_links_inside_the_tree_count_as_what_they_point_to(local: ArtifactStore, tree: Path, tmp_path: Path) -> None:
    (tree / "file-link").symlink_to("a/y.txt")
    (tree / "folder-link").symlink_to(tree / "a" / "deep")
    (tree / "empty-link").symlink_to("nothing/here")
    copy = local.fetch(local.put(tree).digest, tmp_path / "copy")
    assert content(copy) == content(tree) | {"folder-link/x.txt": ("f", b"same", False)}
    assert not (copy / "file-link").is_symlink()
    assert (copy / "folder-link" / "x.txt").read_bytes() == b"same"


def test_a_link_to_the_tree_is_the_tree(local: ArtifactStore, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert local.put(tmp_path / "link") == local.put(tree)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
@pytest.mark.parametrize("secret", ["file", "folder"])
def test_what_may_not_be_read(secret: str) -> None:
    code = f"""
import os, pathlib, tempfile
from falaj.supply_chain.artifacts import ArtifactUnsupportedError, open_store
os.setuid(65534)
with tempfile.TemporaryDirectory() as work:
    root = pathlib.Path(work, "tree")
    (root / "folder").mkdir(parents=True)
    (root / "file").write_bytes(b"x")
    (root / {secret!r}).chmod(0)
    try:
        open_store(work + "/store").put(root)
    except ArtifactUnsupportedError as error:
        print(error)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "may not be read" in process.stdout, process.stderr
    assert f"tree/{secret}" in process.stdout
