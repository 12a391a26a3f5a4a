"""Backup and restore of a home in use: complete or not there, and refused when it is damaged."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from falaj.api.platform import Platform
from falaj.cli.backup import (
    BackupDamagedError,
    BackupPlaceError,
    NotEmbeddedError,
    archive,
    back_up,
    restoration,
    restore,
)
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.storage import Database
from falaj.storage.facts import open_fact_store
from falaj.supply_chain.artifacts import Digest

pytestmark = pytest.mark.integration

PHRASE = "only for this test, never kept"
NOW = 1_800_000_000.0
ROWS = b"customer;city\nA-17;Dubai\n"


_PLACES = (
    "repos/p.git/objects/ab/cd", "repos/p.git/refs/heads/main", "runs/r1/checks/x", "runs/r1/logs/fit.log",
    "locations/local/predictions/1.wal", "locations/local/models/m/model.pkl", "logs/server.log",
)  # fmt: skip


def opened(home: Home) -> Platform:
    return Platform(home, Database(home.database_url, open_fact_store(home.root, home.keys)))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A home with a database that is open, keys, encrypted artifacts, a repository and scratch."""
    home = Home(tmp_path / "home", {}).prepare()
    instance = opened(home)
    instance.database.migrate()
    with instance.database.transaction() as session:
        session.execute(
            text("INSERT INTO projects (name, repository, branch, created_at) VALUES ('p', '/r', 'main', 1)")
        )
    assert home.token and instance.keyring.trusted()
    for place in _PLACES:
        (home.root / place).parent.mkdir(parents=True, exist_ok=True)
        (home.root / place).write_bytes(place.encode())
    (home.root / "repos/p.git/hook").write_text("#!/bin/sh")
    (home.root / "repos/p.git/hook").chmod(0o755)
    yield instance
    instance.database.close()


@pytest.fixture
def artifact(platform: Platform) -> Digest:
    return platform.store.put_bytes(ROWS).digest


def make_home(platform: Platform, **how: bool) -> Path:
    return back_up(platform.home, platform.home.root.parent / "b.tar", PHRASE, NOW, **how).file


def elsewhere(platform: Platform) -> Home:
    return Home(platform.home.root.parent / "again", {})


def test_a_restored_home_is_the_one_that_was_backed_up(platform: Platform, artifact: Digest) -> None:
    file, home = make_home(platform, with_artifacts=True), elsewhere(platform)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore_result = restore(home, file, PHRASE)
    assert (restore_result.made_at, restore_result.objects_missing) == (NOW, 0)
    again = opened(home)
    assert again.store.read_bytes(artifact) == ROWS and home.token == platform.home.token
    assert again.keyring.trusted().keys() == platform.keyring.trusted().keys()
    with again.database.reading() as session:
        assert session.execute(text("SELECT name FROM projects")).scalars().all() == ["p"]
    names = {str(path.relative_to(home.root)) for path in home.root.rglob("*") if path.is_file()}
    assert {"repos/p.git/objects/ab/cd", "runs/r1/logs/fit.log", "locations/local/predictions/1.wal"} <= names
    assert not {"runs/r1/checks/x", "locations/local/models/m/model.pkl"} & names
    assert os.access(home.root / "repos/p.git/hook", os.X_OK)
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    again.database.close()


def test_without_artifacts_their_names_are_counted(platform: Platform, artifact: Digest) -> None:
    file, home = make_home(platform), elsewhere(platform)
    restore_result = restore(home, file, PHRASE)
    assert restore_result.objects_missing >= 2 and not opened(home).store.has(artifact)
    for part in ("blobs", "manifests"):
        (platform.home.root / "store" / part).rename(home.root / "store" / part)
    assert opened(home).store.read_bytes(artifact) == ROWS


def test_nothing_in_a_backup_opens_anything_without_the_passphrase(platform: Platform, artifact: Digest) -> None:
    content = make_home(platform, with_artifacts=True).read_bytes()
    secrets = [path for path in platform.home.keys.iterdir() if path.suffix in (".pem", ".key")]
    for path in (*secrets, platform.home.root / "token"):
        assert path.read_bytes().strip() not in content, path
    assert ROWS not in content


def test_a_backup_is_of_one_moment_while_others_write(platform: Platform) -> None:
    stop = threading.Event()

    def write() -> None:
        own = Database(platform.home.database_url)
        number = 0
        while not stop.is_set():
            number += 1
            with own.transaction() as session:  # two rows that are there together or not at all
                for name in ("a", "b"):
                    row = {"name": f"{name}{number}"}
                    session.execute(
                        text("INSERT INTO projects (name, repository, branch, created_at) VALUES (:name, '', '', 1)"),
                        row,
                    )
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    file = make_home(platform)
    stop.set()
    writer.join()
    home = elsewhere(platform)
    restore(home, file, PHRASE)
    with opened(home).database.reading() as session:
        names = session.execute(text("SELECT name FROM projects WHERE name <> 'p'")).scalars().all()
    assert {name[1:] for name in names if name[0] == "a"} == {name[1:] for name in names if name[0] == "b"}


def killed(patched: Callable[[], None], work: Callable[[], object]) -> None:
    """Do something in a process that ends itself with SIGKILL where a patch says."""
    child = os.fork()
    if child == 0:
        try:
            patched()
            work()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it was not killed in the middle"


def ends(module: object, name: str, at: int) -> Callable[[], None]:
    """A patch: the process is killed at the n-th call of a function."""

    def patched() -> None:
        real, calls = getattr(module, name), iter(range(1, 10**9))

        def counted(*arguments: object, **named: object) -> object:
            if next(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        setattr(module, name, counted)

    return patched


@pytest.mark.parametrize(
    ("name", "at"), [("_copied", 1), ("is_secret", 1), ("is_secret", 9), ("_packed", 1), ("_sync_folder", 1)]
)
def test_a_killed_backup_leaves_none_or_a_whole_one(platform: Platform, name: str, at: int) -> None:
    file = platform.home.root.parent / "b.tar"
    killed(ends(archive, name, at), lambda: back_up(platform.home, file, PHRASE, NOW, with_artifacts=True))
    assert file.exists() == (name == "_sync_folder")  # after the link
    if not file.exists():
        make_home(platform)
    restore(elsewhere(platform), file, PHRASE)
    assert not list(file.parent.glob(".falaj-backup-*")) or name == "_sync_folder"


@pytest.mark.parametrize(
    ("name", "at"), [("_extract", 1), ("_extract", 5), ("_write", 2), ("_require_databases", 1), ("_sync", 1)]
)
def test_a_killed_restore_leaves_no_home(platform: Platform, name: str, at: int) -> None:
    file, home = make_home(platform, with_artifacts=True), elsewhere(platform)
    killed(ends(restoration, name, at), lambda: restore(home, file, PHRASE))
    assert not home.root.exists()
    restore(home, file, PHRASE)
    assert opened(home).keyring.trusted() and not list(home.root.parent.glob(".again.restore-*"))


def test_a_home_that_is_there_stays_as_it_is(platform: Platform) -> None:
    file = make_home(platform)
    with pytest.raises(BackupPlaceError):
        restore(platform.home, file, PHRASE)
    with pytest.raises(BackupPlaceError, match="already"):
        make_home(platform)
    empty = elsewhere(platform)
    empty.root.mkdir()
    restore(empty, file, PHRASE)


@pytest.mark.parametrize("passphrase", ["another passphrase", "short"])
def test_another_passphrase_restores_nothing(platform: Platform, passphrase: str) -> None:
    home = elsewhere(platform)
    with pytest.raises((BackupDamagedError, UsageError), match="passphrase"):
        restore(home, make_home(platform), passphrase)
    assert not home.root.exists()


def test_no_damaged_byte_and_no_missing_end_is_restored(platform: Platform) -> None:
    file, home = make_home(platform), elsewhere(platform)
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        contents = [info.offset_data + info.size // 2 for info in tar if info.size]
    for place in contents:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupDamagedError):
            restore(home, file, PHRASE)
    for length in (0, 100, len(whole) // 2, len(whole) - 30_000):
        file.write_bytes(whole[:length])
        with pytest.raises(BackupDamagedError):
            restore(home, file, PHRASE)
    assert not home.root.exists() and not list(home.root.parent.glob(".again.restore-*"))


def test_a_newer_schema_or_format_is_not_restored(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(platform.home.root / "falaj.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BackupDamagedError, match="9999"):
        restore(elsewhere(platform), make_home(platform), PHRASE)
    monkeypatch.setattr(archive, "FORMAT", "falaj-backup/2")
    file = back_up(platform.home, platform.home.root.parent / "c.tar", PHRASE, NOW).file
    with pytest.raises(BackupDamagedError, match="falaj-backup/2"):
        restore(elsewhere(platform), file, PHRASE)


def test_a_name_that_leads_outside_is_no_file_of_a_home(tmp_path: Path) -> None:
    for name in ("../x", "/etc/x", "", "a/../../x"):
        with pytest.raises(BackupDamagedError):
            restoration._inside(tmp_path, name)


def test_what_is_elsewhere_is_backed_up_elsewhere(tmp_path: Path) -> None:
    for env_settings in ({"FALAJ_DATABASE_URL": "postgresql+psycopg://h/d"}, {"FALAJ_STORE": "s3://bucket/x"}):
        with pytest.raises(NotEmbeddedError):
            back_up(Home(tmp_path, env_settings), tmp_path / "b", PHRASE, NOW)


def test_the_list_of_members_is_readable_without_the_passphrase(platform: Platform) -> None:
    with tarfile.open(make_home(platform)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["format"] == "falaj-backup/1" and "home/falaj.db" in manifest["members"]
    assert not any("keys/" in name for name in manifest["members"])
