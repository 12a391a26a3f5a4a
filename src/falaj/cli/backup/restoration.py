"""Restores a backup: into a folder beside the home, verified there, and then in its place by one rename."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.cli.backup.archive import require_embedded
from falaj.cli.backup.errors import BackupDamagedError, BackupPlaceError
from falaj.cli.backup.members import FILES, FORMAT, MAC, MANIFEST, SECRETS
from falaj.cli.backup.sealing import BackupKeys
from falaj.core.home import Home
from falaj.storage import known_revisions

_MANIFEST_BYTES = 256 << 20
_PIECE = 1 << 20


@dataclass(frozen=True)
class Restored:
    """What was put in place.

    Args:
        files: How many files.
        made_at: When the backup was made, unix seconds.
        objects_missing: How many objects of the artifact store it names and does not hold.
    """

    files: int
    made_at: float
    objects_missing: int


def restore(home: Home, file: Path, passphrase: str) -> Restored:
    """Restore a home that is not there.

    Raises:
        BackupPlaceError: There is a home (`backup.home-in-use`).
        BackupDamagedError: It is damaged (`backup.damaged`), of another passphrase (`backup.passphrase`), or of a
            format or schema that this version does not read (`backup.format`).
    """
    require_embedded(home)
    if home.root.exists() and any(home.root.iterdir()):
        raise BackupPlaceError("there is a home", where=str(home.root), hint="falaj down, and move it out of the way")
    home.root.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            return _restore(home, tar, passphrase)
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise BackupDamagedError("the file is not a backup, or not a whole one", where=str(file)) from error


def _restore(home: Home, tar: tarfile.TarFile, passphrase: str) -> Restored:
    members = _members(tar)
    manifest, seal = _manifest(tar, members, passphrase)
    with _beside(home.root) as staging:
        for name, expected in manifest["members"].items():
            if name.startswith(FILES):
                _extract(tar, members.get(name), _inside(staging, name.removeprefix(FILES)), expected)
        secrets = seal.decrypt(_content(tar, members, SECRETS))
        for name, content in json.loads(secrets).items():
            _write(_inside(staging, name), bytes.fromhex(content))
        _require_databases(staging)
        _sync(staging)
        staging.rename(home.root)  # onto nothing, or an empty folder; fails where something came to be meanwhile
    return Restored(len(manifest["members"]), manifest["made_at"], manifest["objects_left_out"])


def _members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for info in tar:
        if info.name in members or not info.isreg():
            raise BackupDamagedError(f"'{info.name}' appears twice, or is not a file")
        members[info.name] = info
    return members


def _manifest(
    tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], passphrase: str
) -> tuple[dict[str, Any], BackupKeys]:
    """What is in the backup, once the passphrase proves it."""
    content, mac = _content(tar, members, MANIFEST), _content(tar, members, MAC)
    try:
        manifest: dict[str, Any] = json.loads(content)
        salt = bytes.fromhex(manifest["salt"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupDamagedError("the list of what the backup holds is damaged") from error
    if manifest.get("format") != FORMAT:
        raise BackupDamagedError(
            f"a backup of the format {manifest.get('format')!r} is not read", hint=f"this version reads {FORMAT}",
            code="backup.format",
        )  # fmt: skip
    seal = BackupKeys.of(passphrase, salt)
    if not hmac.compare_digest(seal.mac(content), mac):
        raise BackupDamagedError(
            "the passphrase is another one, or the list of what the backup holds was changed", code="backup.passphrase"
        )
    return manifest, seal


def _content(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], name: str) -> bytes:
    info = members.get(name)
    file = tar.extractfile(info) if info is not None and info.size <= _MANIFEST_BYTES else None
    if info is None or file is None:
        raise BackupDamagedError(f"the backup has no {name}")
    content = file.read()
    if len(content) != info.size:
        raise BackupDamagedError(f"{name} is not whole")
    return content


def _extract(tar: tarfile.TarFile, info: tarfile.TarInfo | None, target: Path, expected: Mapping[str, Any]) -> None:
    source = tar.extractfile(info) if info is not None else None
    if info is None or source is None:
        raise BackupDamagedError(f"the backup lacks {target.name}")
    digest = hashlib.sha256()
    with _new(target, 0o700 if info.mode & 0o100 else 0o600) as out:
        while content := source.read(_PIECE):
            digest.update(content)
            os.write(out, content)
    if digest.hexdigest() != expected["sha256"]:
        raise BackupDamagedError("a file is another one than was backed up", where=info.name)


def _inside(staging: Path, name: str) -> Path:
    """A place below the folder; authenticated names lead nowhere else, and are held against it all the same."""
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        raise BackupDamagedError(f"'{name}' is not a file of a home")
    return staging.joinpath(*parts)


def _write(path: Path, content: bytes) -> None:
    with _new(path, 0o600) as out:
        os.write(out, content)


@contextmanager
def _new(path: Path, mode: int) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_databases(staging: Path) -> None:
    """Each database holds together, and that of the control plane is of a schema that this version knows."""
    for path in staging.rglob("*.db"):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
                revision = _revision(database) if path == staging / "falaj.db" else None
        except sqlite3.Error as error:
            raise BackupDamagedError("a database is damaged", where=path.name) from error
        if verdict != "ok":
            raise BackupDamagedError(f"a database is damaged: {verdict}", where=path.name)
        if revision is not None and revision not in known_revisions():
            raise BackupDamagedError(
                f"the backup has the schema {revision}, which this version does not know",
                hint="restore it with the version that made it, or a newer one", code="backup.format",
            )  # fmt: skip
    if not (staging / "falaj.db").exists():
        raise BackupDamagedError("the backup has no database")


def _revision(database: sqlite3.Connection) -> str:
    return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _sync(folder: Path) -> None:
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        descriptor = os.open(place, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


@contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """A folder beside the home; what a killed restore left there goes first."""
    prefix = f".{root.name}.restore-"
    for leftover in root.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=root.parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
