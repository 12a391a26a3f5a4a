"""Images on disk: the same digest everywhere, complete or not there, and never from bytes that nobody verified."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from falaj.build.images import Descriptor, ImageError, ImageLayout, ReleaseContent, build_image, write_archive
from falaj.build.images.documents import Config, Manifest
from falaj.build.images.layers import Member, folder_at, member_of, write_layer
from falaj.supply_chain.artifacts import ArtifactCorruptError
from falaj.supply_chain.attestations import EvidenceError, read_bundle, tree_digest, verify_release
from tests.build.images.conftest import StoredRelease, store_release


def build(release: StoredRelease, folder: Path) -> tuple[ImageLayout, Descriptor]:
    layout = ImageLayout(folder)
    folder.mkdir()
    return layout, build_image(release.content, layout)


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpacked(layout: ImageLayout, image: Descriptor, folder: Path) -> Path:
    for layer in layout.read(image, Manifest).layers:
        with tarfile.open(layout.path(layer.digest)) as archive:
            archive.extractall(folder, filter="fully_trusted")
    return folder


def test_the_same_release_is_the_same_image_in_any_folder_zone_and_mask(
    release: StoredRelease, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, image = build(release, tmp_path / "first")
    monkeypatch.setenv("TZ", "Asia/Dubai")
    time.tzset()
    mask = os.umask(0o077)
    try:
        shutil.copytree(release.signed.folder, tmp_path / "copy" / "release")
        moved = StoredRelease(release.signed, release.store, release.signer)
        second, again = build(moved, tmp_path / "second")
        write_archive(second, tmp_path / "second.tar")
    finally:
        os.umask(mask)
        monkeypatch.undo()
        time.tzset()
    write_archive(first, tmp_path / "first.tar")
    assert again == image and bytes_below(first.folder) == bytes_below(second.folder)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_another_release_is_another_image(tmp_path: Path) -> None:
    images = [build(store_release(tmp_path / name, name.encode()), tmp_path / f"{name}-image")[1] for name in "ab"]
    assert images[0].digest != images[1].digest


def test_what_is_decided_later_changes_no_digest(release: StoredRelease, tmp_path: Path) -> None:
    from dataclasses import replace

    content = release.content
    later = replace(content, decisions=(content.evidence[0],))
    one, two = (ImageLayout(tmp_path / name) for name in ("one", "two"))
    assert build_image(content, one).digest == build_image(later, two).digest


def test_the_unpacked_image_verifies_as_an_exported_release(release: StoredRelease, tmp_path: Path) -> None:
    layout, image = build(release, tmp_path / "image")
    root = unpacked(layout, image, tmp_path / "root")
    assert tree_digest(root / "models") == release.signed.digest
    assert verify_release(root / "evidence", release.keys, root / "models").ok
    bill = json.loads((root / "evidence" / "sbom.cdx.json").read_bytes())
    assert bill["bomFormat"] == "CycloneDX" and {c["name"] for c in bill["components"]} >= {"numpy", "lightgbm"}
    config = layout.read(layout.read(image, Manifest).config, Config)
    assert config.config.user == "65532:65532" and config.created == "1970-01-01T00:00:00Z"


def test_every_entry_has_one_owner_one_time_and_a_sorted_name(release: StoredRelease, tmp_path: Path) -> None:
    layout, image = build(release, tmp_path / "image")
    for layer in layout.read(image, Manifest).layers:
        with tarfile.open(layout.path(layer.digest)) as archive:
            members = archive.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names) and len(set(names)) == len(names)
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(65532, 65532, "", "", 0)}
        assert {m.mode for m in members} <= {0o755, 0o644}


def test_empty_folders_and_executable_files_stay_what_they_are(tmp_path: Path) -> None:
    out = io.BytesIO()
    script = Member("m/run.sh", 2, lambda: io.BytesIO(b"ok"), executable=True)
    write_layer([script, folder_at("m/empty"), member_of("m/ü" + "x" * 300, b"1")], out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        modes = {member.name: (member.isdir(), member.mode) for member in archive}
    assert modes == {
        "m": (True, 0o755), "m/empty": (True, 0o755), "m/run.sh": (False, 0o755), "m/ü" + "x" * 300: (False, 0o644)
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 3])
def test_a_file_that_is_not_as_long_as_it_was_is_refused(size: int) -> None:
    with pytest.raises(ImageError):
        write_layer([Member("a", size, lambda: io.BytesIO(b"12"))], io.BytesIO())
    with pytest.raises(ImageError, match="one path"):
        write_layer([member_of("a", b"1"), member_of("a", b"2")], io.BytesIO())


def test_a_damaged_file_of_the_store_ends_the_build(release: StoredRelease, tmp_path: Path) -> None:
    blob = next(
        path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file() and path.read_bytes() == b"weights"
    )
    blob.chmod(0o644)
    blob.write_bytes(b"WEIGHTS")
    with pytest.raises(ArtifactCorruptError):
        build(release, tmp_path / "image")
    assert not (tmp_path / "image" / "index.json").exists()


def test_a_release_whose_evidence_does_not_verify_is_not_built(release: StoredRelease, tmp_path: Path) -> None:
    path = release.signed.evidence("eval")
    envelope = json.loads(path.read_bytes())
    envelope["signatures"][0]["sig"] = "AAAA"
    path.write_text(json.dumps(envelope))
    with pytest.raises(EvidenceError):
        ReleaseContent.verified(read_bundle(release.signed.folder), release.store, release.keys)


def test_a_folder_that_is_no_layout_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an image layout"):
        _ = ImageLayout(tmp_path).images
    (tmp_path / "index.json").write_text("[")
    with pytest.raises(ImageError, match="not an OCI index"):
        _ = ImageLayout(tmp_path).images
