"""The digest of a folder as it lies on disk, taken without a store."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from falaj.supply_chain.artifacts.digest import digest_from_hash
from falaj.supply_chain.artifacts.manifest import FileEntry, tree_manifest
from falaj.supply_chain.attestations.errors import EvidenceError


def tree_digest(folder: Path) -> str:
    """Return the artifact digest of a folder.

    Unlike a store that puts a working folder, a verifier follows nothing: a link or a device is refused, because what
    it leads to can change after the check.

    Args:
        folder: A folder of regular files and folders.

    Raises:
        EvidenceError: `evidence.bundle`, when the folder is missing, unreadable or holds anything else.
    """
    files: list[FileEntry] = []
    empty: list[str] = []
    try:
        _walk(folder, "", files, empty)
    except OSError as error:
        where = str(error.filename or folder)
        raise EvidenceError(f"cannot read the model: {error.strerror}", where=where, code="evidence.bundle") from error
    return tree_manifest(files, empty).digest()


def _walk(folder: Path, prefix: str, files: list[FileEntry], empty: list[str]) -> None:
    if folder.is_symlink():
        raise _refused(folder, "a link")
    with os.scandir(folder) as entries:
        sorted_entries = sorted(entries, key=lambda entry: entry.name)
    if prefix and not sorted_entries:
        empty.append(prefix.removesuffix("/"))
    for entry in sorted_entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            _walk(folder / entry.name, f"{path}/", files, empty)
        else:
            files.append(_file_entry(folder / entry.name, path))


def _file_entry(path: Path, name: str) -> FileEntry:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _refused(path, "a link or a device")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        digest = hashlib.file_digest(file, hashlib.sha256)
    executable = bool(status.st_mode & stat.S_IXUSR)
    return FileEntry(name, status.st_size, executable, digest_from_hash(digest))


def _refused(path: Path, what: str) -> EvidenceError:
    return EvidenceError(f"the model holds {what}", where=str(path), code="evidence.bundle")
