"""What is left of data in an installation's folder once its key was destroyed, or its run has ended."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import text

from falaj.api.platform import Platform
from falaj.api.request_bodies import RequiredReasonBody
from falaj.api.routers import keys
from falaj.cli import doctor
from falaj.control.runs import run_folder
from falaj.core.home import Home
from falaj.core.principal import Principal, PrincipalKind
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.facts import open_fact_store
from falaj.supply_chain.encryption import KeyState

pytestmark = pytest.mark.integration

ADMIN = Principal("user:admin", PrincipalKind.USER)
ROW = b"A-17;Dubai;diabetes"
ROWS = b"customer;city;finding\n" + ROW * 400


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """An embedded home with encrypted data in it, whose database is where it is in the field."""
    home = Home(tmp_path / "home", {}).prepare()
    database = Database(home.database_url, open_fact_store(home.root, home.keys))
    database.migrate()
    instance = Platform(home, database)
    instance.home.token  # noqa: B018 - made
    instance.store.put_bytes(ROWS)
    instance.keyring  # noqa: B018 - made
    yield instance
    database.close()


def destroyed(platform: Platform) -> bytes:
    """Destroy the key of all data; return what it was wrapped as."""
    keys.rotate(keys.KeyScopeBody(), platform, ADMIN)  # the rows know the key now
    old = next(key for key in platform.keys.entries() if key.state is KeyState.RETIRED)
    keys.destroy(old.id, RequiredReasonBody(reason="request 17"), platform, ADMIN)
    return old.wrapped.encode()


# An oracle of its own, which knows formats and not how the product writes them


def unexplained(root: Path) -> list[str]:
    """The files that are neither encrypted nor of a known kind that, decoded by its format, is without the data."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and _is_bad(path, root))


def _is_bad(path: Path, root: Path) -> bool:
    if _is_encrypted(path):
        return False
    try:
        return not _is_known(path, root) or any(ROW in each for each in _decoded(path.read_bytes()))
    except ValueError:  # it does not decode as its name says
        return True


def _is_encrypted(path: Path) -> bool:
    return path.read_bytes().startswith(b"FALAJENC")


def _is_known(path: Path, root: Path) -> bool:
    name, content = str(path.relative_to(root)), path.read_bytes()
    if not content:
        return True
    if name.startswith("keys/"):
        is_json = path.suffix == ".json" and bool(json.loads(content))
        return (
            is_json or content.startswith(b"-----BEGIN ") or path.name in ("root.key", "sealed-stores", "sealed-logs")
        )
    if name in ("falaj.db", "facts.db", "facts.db-wal"):
        if name == "facts.db-wal":
            return content.startswith(bytes.fromhex("377f0682"))  # of numbers and digests alone
        return content.startswith(b"SQLite format 3\0")
    if name.startswith("store/seen/"):
        return set(json.loads(content)) >= {"blob"} or isinstance(json.loads(content), dict | list)
    return name in ("falaj.db-shm", "facts.db-shm", "token", "store/sealed")


def _decoded(content: bytes) -> Iterator[bytes]:
    """The bytes, and those of what they hold by their own format."""
    yield content
    if content.startswith(b"PK\x03\x04"):  # two letters alone are the beginning of many a random text
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from _decoded(archive.read(name))
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        yield from _decoded(pa.input_stream(io.BytesIO(content), compression="zstd").read())
    elif content.startswith(b"\x1f\x8b"):
        yield from _decoded(gzip.decompress(content))
    elif content.startswith(b"SQLite format 3\0"):
        yield from _values(content)


def _values(content: bytes) -> Iterator[bytes]:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content[:18] + b"\x01\x01" + content[20:])  # without a write-ahead log
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                if isinstance(value, bytes | str):
                    yield from _decoded(value if isinstance(value, bytes) else value.encode())


def _plain(folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_bytes(ROWS)
    return path


def _zstd(folder: Path) -> Path:
    path = folder / "table.bin"
    path.write_bytes(pa.compress(ROWS, codec="zstd", asbytes=True))
    return path


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "table.npz", rows=np.frombuffer(ROWS, np.uint8))
    return folder / "table.npz"


@pytest.mark.parametrize("plant", [_plain, _zstd, _npz])
@pytest.mark.parametrize("place", ["runs/run1/checks/artifacts", "store/seen", "keys", "."])
def test_the_oracle_finds_copies_in_any_form_and_place(platform: Platform, plant: object, place: str) -> None:
    destroyed(platform)
    folder = platform.home.root / place
    folder.mkdir(parents=True, exist_ok=True)
    assert callable(plant)
    path = plant(folder)
    if path.suffix == ".csv" and place == "store/seen":
        path = path.rename(path.with_suffix(".json"))
        path.write_text(json.dumps({"blob": ROW.decode()}))
    leak_paths = unexplained(platform.home.root)
    assert leak_paths == [str(path.relative_to(platform.home.root))]


def test_the_oracle_finds_a_copy_in_the_database(platform: Platform) -> None:
    with platform.database.transaction() as session:
        session.execute(text("CREATE TABLE kept (content BLOB)"))
        session.execute(text("INSERT INTO kept VALUES (:rows)"), {"rows": gzip.compress(ROWS)})
    platform.database.forget_deleted()
    assert unexplained(platform.home.root) == ["falaj.db"]


def test_after_a_key_is_destroyed_nothing_holds_the_key_or_the_data(platform: Platform) -> None:
    assert unexplained(platform.home.root) == ["falaj.db-wal"]  # until it is truncated
    wrapped = destroyed(platform)
    assert unexplained(platform.home.root) == []
    for path in platform.home.root.rglob("*"):
        assert not path.is_file() or wrapped not in path.read_bytes(), path


def test_the_copies_that_mlflow_has_go_with_the_key(platform: Platform) -> None:
    old = platform.store.put_bytes(ROWS).digest
    now = platform.now()
    with platform.database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=now))
        session.flush()
        for number, name in enumerate(("released", "rejected", "earlier")):
            at = now - 1e6 if name == "earlier" else now
            session.add(
                RunRow(id=name, project="p", commit=str(number) * 40, trigger="push", params={}, state="succeeded",
                       created_at=at, mlflow_run=name, release=1 if name == "released" else None)
            )  # fmt: skip
            session.flush()
        session.add(
            ReleaseRow(model="m", number=1, project="p", run_id="released", commit="0" * 40, digest=str(old),
                       state="candidate", data={}, created_at=now)
        )  # fmt: skip
    for name in ("released", "rejected", "earlier"):
        (platform.home.mlflow_artifacts / name / "artifacts" / "model").mkdir(parents=True)
        _plain(platform.home.mlflow_artifacts / name / "artifacts" / "model")
    destroyed(platform)
    remaining_folders = [path.parts[-4] for path in platform.home.mlflow_artifacts.rglob("*.csv")]
    assert remaining_folders == ["earlier"]


def test_the_list_of_keys_that_was_replaced_is_overwritten(platform: Platform) -> None:
    """Its blocks may stay on the disk for long; whoever still has it open sees what they hold now."""
    path = platform.home.keys / "data-keys.json"
    with path.open("rb") as before:
        wrapped = destroyed(platform)
        before.seek(0)
        assert wrapped not in before.read()
    assert wrapped not in path.read_bytes()


def test_a_run_leaves_its_logs_alone(tmp_path: Path) -> None:
    run_dir = tmp_path / "run1"
    for name in ("checks/artifacts", "packaging", "lock", "worktree", "logs", "steps/fit"):
        (run_dir / name).mkdir(parents=True)
        _plain(run_dir / name)
    (run_dir / "worktree.index").write_bytes(ROWS)
    (run_dir / "link").symlink_to(tmp_path)
    run_folder.clear(run_dir)
    assert [path.name for path in run_dir.iterdir()] == ["logs"] and (run_dir / "logs" / "table.csv").exists()
    assert tmp_path.exists()


def test_what_a_killed_worker_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    for name in ("ended", "open"):
        (tmp_path / name / "checks").mkdir(parents=True)
        _plain(tmp_path / name / "checks")
    run_folder.sweep(tmp_path, lambda run_id: run_id == "open")
    assert not (tmp_path / "ended" / "checks").exists() and (tmp_path / "open" / "checks" / "table.csv").exists()


def test_a_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    finding = doctor._home(Home(root, {}))
    assert finding.state == "failed" and "755" in finding.detail
    assert stat.S_IMODE(root.stat().st_mode) == 0o700 and doctor._home(Home(root, {})).state == "ok"


def test_commands_write_for_their_user_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "FALAJ_HOME": str(tmp_path / "home")}
    subprocess.run(
        [sys.executable, "-m", "falaj.cli.main", "init", str(tmp_path / "project")],
        check=True, env=environment, umask=0o022, capture_output=True,
    )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "project" / "falaj.yaml").stat().st_mode) == 0o600
