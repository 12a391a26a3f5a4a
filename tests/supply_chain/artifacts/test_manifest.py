from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.digest import Digest, digest_from_shard, digest_of, parse_digest, shard_path
from falaj.supply_chain.artifacts.manifest import (
    MAX_SIZE,
    FileEntry,
    Manifest,
    decode_manifest,
    file_manifest,
    tree_manifest,
)

BLOB = digest_of(b"x")

segments = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=6)
paths = st.lists(segments.filter(lambda s: s not in (".", "..")), min_size=1, max_size=3).map("/".join)
digests = st.binary(min_size=1, max_size=8).map(digest_of)


def _entries(chosen: list[str]) -> list[str]:
    """Drop what lies below another path."""
    return [p for p in chosen if not any(p != q and p.startswith(q + "/") for q in chosen)]


@st.composite
def trees(draw: st.DrawFn) -> Manifest:
    leaves = _entries(draw(st.lists(paths, unique=True, max_size=8)))
    cut = draw(st.integers(0, len(leaves)))
    files = [
        FileEntry(path, draw(st.integers(0, MAX_SIZE)), draw(st.booleans()), draw(digests)) for path in leaves[:cut]
    ]
    return tree_manifest(files, leaves[cut:])


@given(trees())
def test_decoding_undoes_encoding(manifest: Manifest) -> None:
    assert decode_manifest(manifest.encode()) == manifest


@given(trees())
def test_the_encoding_is_canonical_json(manifest: Manifest) -> None:
    assert manifest.encode() == rfc8785.dumps(json.loads(manifest.encode()))


@given(trees(), st.randoms())
def test_order_of_discovery_does_not_matter(manifest: Manifest, random: object) -> None:
    files, folders = list(manifest.files), list(manifest.directories)
    random.shuffle(files)  # type: ignore[attr-defined]
    random.shuffle(folders)  # type: ignore[attr-defined]
    assert tree_manifest(files, folders).digest() == manifest.digest()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_manifest(data)


def test_a_file_has_one_entry_without_a_path() -> None:
    manifest = file_manifest(BLOB, 1, executable=True)
    assert decode_manifest(manifest.encode()) == manifest
    assert manifest.size == 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up", "a/../b", "a//b", "a/", ".", "", "a/./b", "nul\0", "..", "a/.."]
)
def test_paths_that_could_leave_the_tree(path: str) -> None:
    with pytest.raises(ValueError):
        decode_manifest(Manifest("tree", (FileEntry(path, 1, False, BLOB),)).encode())
    with pytest.raises(ValueError):
        decode_manifest(Manifest("tree", (), (path,)).encode())


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (["a", "a"], []),
        (["a"], ["a"]),
        (["a", "a/b"], []),
        (["a/b"], ["a"]),
        (["b", "a"], []),
        ([], ["b", "a"]),
    ],
)
def test_contradictions_and_other_orders(files: list[str], folders: list[str]) -> None:
    entries = tuple(FileEntry(path, 1, False, BLOB) for path in files)
    with pytest.raises(ValueError):
        decode_manifest(Manifest("tree", entries, tuple(folders)).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kind":"tree"', b'"kind":"folder"'),
        (b'"kind":"tree"', b'"kind":"file"'),
        (b'"size":1', b'"size":-1'),
        (b'"size":1', b'"size":1.0'),
        (b'"size":1', b'"size":true'),
        (b'"size":1', b'"size":9007199254740992'),
        (b'"executable":false', b'"executable":0'),
        (b'"path":"a"', b'"path":7'),
        (b'"path":"a"', b'"path":"\\u0061"'),
        (b"sha256:", b"sha512:"),
        (b'"directories":[]', b'"directories":[1]'),
        (b'"directories":[]', b'"directories":null'),
        (b'"directories":[],', b""),
        (b'"directories":[]', b'"directories":[],"extra":1'),
        (b"/1", b"/2"),
        (b",", b", "),
    ],
)
def test_anything_but_the_canonical_form(old: bytes, new: bytes) -> None:
    data = Manifest("tree", (FileEntry("a", 1, False, BLOB),)).encode()
    assert old in data
    with pytest.raises((ValueError, UsageError)):
        decode_manifest(data.replace(old, new, 1))


@given(digests)
def test_shards_name_digests(digest: Digest) -> None:
    assert digest_from_shard(shard_path(digest)) == digest
    assert parse_digest(digest) == digest


@pytest.mark.parametrize("path", ["", "ab", "ab/cd", "a/" + "0" * 63, "ab/" + "0" * 63, "AB/" + "0" * 62])
def test_other_files_are_no_shards(path: str) -> None:
    assert digest_from_shard(path) is None
