"""Manifests: the canonical description of a file or a tree, whose digest is the artifact's name (pure).

The encoding is JSON in the canonical form of RFC 8785 (sorted keys, no spaces, UTF-8), with paths in byte order, so
equal content has exactly one encoding. Decoding accepts only that encoding: what two programs read from one digest is
the same, and no path can leave the folder that it is fetched into.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.digest import Digest, digest_of, parse_digest

FORMAT = "falaj.artifact/1"
MAX_SIZE = 2**53 - 1  # the largest integer that canonical JSON carries exactly


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact.

    Attributes:
        path: Relative path with `/`; empty when the artifact is a single file.
        size: Bytes.
        executable: Whether the owner may execute it; no other mode bit is kept.
        blob: Digest of the bytes.
    """

    path: str
    size: int
    executable: bool
    blob: Digest


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact consists of.

    Attributes:
        kind: `file` or `tree`.
        files: Every file, in byte order of the paths.
        directories: Empty folders only, in byte order; others follow from the files.
    """

    kind: Literal["file", "tree"]
    files: tuple[FileEntry, ...]
    directories: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files)

    def encode(self) -> bytes:
        """Canonical bytes, the same for equal content."""
        document = {
            "directories": self.directories,
            "files": [{"blob": f.blob, "executable": f.executable, "path": f.path, "size": f.size} for f in self.files],
            "format": FORMAT,
            "kind": self.kind,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    def digest(self) -> Digest:
        """The artifact's name."""
        return digest_of(self.encode())


def file_manifest(blob: Digest, size: int, *, executable: bool = False) -> Manifest:
    """Manifest of a single file."""
    return Manifest("file", (FileEntry("", size, executable, blob),))


def tree_manifest(files: list[FileEntry], directories: list[str]) -> Manifest:
    """Manifest of a tree.

    Args:
        files: In any order.
        directories: The empty folders, in any order.
    """
    return Manifest("tree", tuple(sorted(files, key=_entry_order)), tuple(sorted(directories, key=_order)))


def decode_manifest(data: bytes) -> Manifest:
    """Read canonical bytes back.

    Args:
        data: What `Manifest.encode` returned.

    Raises:
        ValueError: The bytes are not a canonical manifest, or a path in it is not safe to write.
    """
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"this is not a {FORMAT} manifest")
    try:
        files = tuple(_entry(item) for item in document["files"])
        manifest = Manifest(document["kind"], files, tuple(document["directories"]))
        _check_paths(manifest)
        canonical = manifest.encode()
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise ValueError(f"a field is missing or wrong: {error}") from error
    if canonical != data:
        raise ValueError("the manifest is not in canonical form")
    return manifest


def _entry(item: dict[str, Any]) -> FileEntry:
    size, executable = item["size"], item["executable"]
    if type(size) is not int or not 0 <= size <= MAX_SIZE or type(executable) is not bool:
        raise ValueError(f"wrong size or executable bit of {item['path']!r}")
    return FileEntry(item["path"], size, executable, parse_digest(item["blob"]))


def _check_paths(manifest: Manifest) -> None:
    if manifest.kind == "file":
        if [entry.path for entry in manifest.files] != [""] or manifest.directories:
            raise ValueError("a file artifact has exactly one entry without a path")
        return
    if manifest.kind != "tree":
        raise ValueError(f"unknown kind {manifest.kind!r}")
    paths = [entry.path for entry in manifest.files]
    if paths != sorted(paths, key=_order) or list(manifest.directories) != sorted(manifest.directories, key=_order):
        raise ValueError("paths are not in byte order")
    _check_tree(paths, list(manifest.directories))


def _check_tree(files: list[str], directories: list[str]) -> None:
    leaves = {*files, *directories}
    if len(leaves) != len(files) + len(directories):
        raise ValueError("a path is listed twice")
    for path in leaves:
        parts = path.split("/")
        if "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"unsafe path {path!r}")
        if any("/".join(parts[:depth]) in leaves for depth in range(1, len(parts))):
            raise ValueError(f"{path!r} is below something that is not a folder with files")


def _entry_order(entry: FileEntry) -> bytes:
    return entry.path.encode()


def _order(path: str) -> bytes:
    return path.encode()
