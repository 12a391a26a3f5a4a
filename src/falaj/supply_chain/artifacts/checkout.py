"""Taking an artifact out of the store: staged beside the target, checked, then renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from falaj.supply_chain.artifacts.backend import CHUNK, BlobBackend
from falaj.supply_chain.artifacts.digest import Digest, digest_from_hash
from falaj.supply_chain.artifacts.errors import TargetExistsError, disk_errors
from falaj.supply_chain.artifacts.manifest import FileEntry, Manifest
from falaj.supply_chain.artifacts.parallel import each
from falaj.supply_chain.artifacts.reading import blob_key, corrupt_blob, missing_blob


def materialise(backend: BlobBackend, digest: Digest, manifest: Manifest, target: Path) -> Path:
    """Make a file or folder with the content of an artifact; see `ArtifactStore.fetch`.

    Every file is hashed as it was written, so that a bad disk on the way out is found as well.
    """
    _check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.parent / f".falaj-{os.urandom(8).hex()}"
    with disk_errors(str(target)):
        try:
            _build(backend, digest, manifest, staged)
            _rename(staged, target)
        except BaseException:
            _discard(staged)
            raise
    return target


def _build(backend: BlobBackend, digest: Digest, manifest: Manifest, staged: Path) -> None:
    if manifest.kind == "file":
        _write(backend, digest, manifest.files[0], staged)
        return
    staged.mkdir()
    folders = {os.path.dirname(entry.path) for entry in manifest.files}  # noqa: PTH120 - texts, and many
    for folder in {*folders, *manifest.directories} - {""}:
        (staged / folder).mkdir(parents=True, exist_ok=True)
    each(
        backend.workers,
        lambda entry: _write(backend, digest, entry, staged / entry.path),
        manifest.files,
    )


def _write(backend: BlobBackend, digest: Digest, entry: FileEntry, path: Path) -> None:
    mode = 0o777 if entry.executable else 0o666  # less what the umask takes
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), "w+b", buffering=0) as file:
        try:
            backend.copy_to(blob_key(entry.blob), file)
        except FileNotFoundError:
            raise missing_blob(backend, digest, entry) from None
        if _digest(file) != entry.blob:
            raise corrupt_blob(backend, digest, entry)


def _digest(file: BinaryIO) -> Digest:
    file.seek(0)
    hasher = hashlib.sha256()
    while chunk := file.read(CHUNK):
        hasher.update(chunk)
    return digest_from_hash(hasher)


def _check_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise TargetExistsError(
            "something is there already", where=str(target), hint="remove it, or choose another target"
        )


def _rename(staged: Path, target: Path) -> None:
    if target.is_dir() and not staged.is_dir():
        target.rmdir()
    try:
        staged.rename(target)
    except OSError:
        _check_free(target)  # somebody else was faster
        raise


def _discard(staged: Path) -> None:
    if staged.is_dir():
        shutil.rmtree(staged, ignore_errors=True)
    else:
        staged.unlink(missing_ok=True)
