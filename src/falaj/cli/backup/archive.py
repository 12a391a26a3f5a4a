"""Makes a backup: beside the file that it is to be, and then in its place, so that none is there by half."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from falaj import __version__
from falaj.cli.backup.errors import BackupPlaceError, NotEmbeddedError
from falaj.cli.backup.members import FILES, FORMAT, MAC, MANIFEST, SECRETS, is_database, is_object, is_secret, names_of
from falaj.cli.backup.sealing import SALT_BYTES, BackupKeys
from falaj.core.home import Home
from falaj.storage.facts.keys import FILE

_WORK = ".falaj-backup-"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Backup:
    """What was written.

    Args:
        file: Where.
        files: How many files of the home are in it.
        size: Bytes of the backup.
        objects_left_out: How many objects of the artifact store are not in it.
    """

    file: Path
    files: int
    size: int
    objects_left_out: int


def back_up(home: Home, file: Path, passphrase: str, now: float, *, with_artifacts: bool = False) -> Backup:
    """Write a backup of an embedded home, which may be running.

    Args:
        home: The installation.
        file: The backup; nothing may be there.
        passphrase: Encrypts keys and tokens, and authenticates everything.
        now: Unix seconds.
        with_artifacts: Also the content of the artifact store, and not its refs alone.

    Raises:
        NotEmbeddedError: Its database or store is elsewhere (`backup.not-embedded`).
        BackupPlaceError: There is a file already (`backup.file-exists`).
    """
    require_embedded(home)
    if file.exists():
        raise BackupPlaceError("there is a file already", where=str(file), code="backup.file-exists")
    salt = os.urandom(SALT_BYTES)
    seal = BackupKeys.of(passphrase, salt)
    with _work(file.absolute().parent) as work, _without_collection(home):
        path = work / "backup.tar"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            writer = _Writer(home.root, work, stream, seal, with_artifacts)
            writer.write({"format": FORMAT, "version": __version__, "made_at": now, "salt": salt.hex()})
            stream.flush()
            os.fsync(stream.fileno())
        os.link(path, file)  # fails where a file came to be meanwhile, unlike a rename
    _sync_folder(file.absolute().parent)
    return Backup(file, len(writer.members), file.stat().st_size, writer.left_out)


def require_embedded(home: Home) -> None:
    """Refuse homes whose parts are elsewhere.

    Raises:
        NotEmbeddedError: Database or store are (`backup.not-embedded`).
    """
    if home.database_url != f"sqlite:///{home.root / 'falaj.db'}" or home.store_url != str(home.root / "store"):
        raise NotEmbeddedError(
            "this installation's database or store is elsewhere",
            where=str(home.root),
            hint="back them up there (pg_dump, the bucket's versions), and copy the folder of keys",
        )


@dataclass
class _Writer:
    """One tar file, member by member, with what is in each of them."""

    root: Path
    work: Path
    stream: IO[bytes]
    seal: BackupKeys
    with_artifacts: bool
    members: dict[str, dict[str, object]] = field(default_factory=dict)
    left_out: int = 0

    def write(self, about: dict[str, object]) -> None:
        with tarfile.open(fileobj=self.stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            hidden: dict[str, bytes] = {}
            # rows before files, and the numbers of facts before the facts: in the copy none is older than its number
            for name in sorted(names_of(self.root), key=lambda each: (not is_database(each), each != FILE)):
                if is_object(name) and not self.with_artifacts:
                    self.left_out += 1
                elif is_secret(name):
                    hidden[name] = (self.root / name).read_bytes()
                else:
                    self._add_file(tar, name)
            self._add(tar, SECRETS, self.seal.encrypt(_packed(hidden)))
            manifest = json.dumps({**about, "objects_left_out": self.left_out, "members": self.members}).encode()
            self._add(tar, MANIFEST, manifest)
            self._add(tar, MAC, self.seal.mac(manifest))

    def _add_file(self, tar: tarfile.TarFile, name: str) -> None:
        path = self.root / name
        source = _copied(path, self.work / "copy.db") if is_database(name) else path
        try:
            with source.open("rb") as file:
                executable = os.fstat(file.fileno()).st_mode & 0o100
                self._copy(tar, FILES + name, file, 0o700 if executable else 0o600)
        except FileNotFoundError:
            return  # what goes while the platform runs, such as a segment that was merged, is named by nothing

    def _copy(self, tar: tarfile.TarFile, name: str, file: IO[bytes], mode: int) -> None:
        """Add a file as long as it is now: a log that grows meanwhile is cut where it was."""
        size, digest = os.fstat(file.fileno()).st_size, hashlib.sha256()
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, mode
        tar.addfile(info, _Digested(file, digest, size))  # type: ignore[arg-type]
        self.members[name] = {"sha256": digest.hexdigest(), "size": size}

    def _add(self, tar: tarfile.TarFile, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o600
        tar.addfile(info, io.BytesIO(content))
        self.members[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


class _Digested:
    """A file as it is read, with the digest of what was read; one that became shorter is filled up with zeros."""

    def __init__(self, file: IO[bytes], digest: hashlib._Hash, size: int) -> None:
        self._file, self._digest, self._remaining = file, digest, size

    def read(self, size: int) -> bytes:
        content = self._file.read(min(size, self._remaining)).ljust(min(size, self._remaining), b"\0")
        self._remaining -= len(content)
        self._digest.update(content)
        return content


def _packed(files: dict[str, bytes]) -> bytes:
    return json.dumps({name: content.hex() for name, content in files.items()}).encode()


def _copied(path: Path, copy: Path) -> Path:
    """The database as it is at one moment, in one file."""
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    return copy


@contextmanager
def _work(folder: Path) -> Iterator[Path]:
    """A folder beside the backup; what a killed backup left there goes first."""
    for leftover in folder.glob(f"{_WORK}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_WORK}{secrets.token_hex(2)}", dir=folder) as work:
        yield Path(work)


@contextmanager
def _without_collection(home: Home) -> Iterator[None]:
    """Keep garbage collection of the store out, as every writer does."""
    lock = home.root / "store" / "lock"
    if not lock.exists():
        yield
        return
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
