from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from falaj.core.errors import UnavailableError
from falaj.storage import Base, Database, EventRow
from falaj.storage import database as database_module

pytestmark = pytest.mark.integration


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        session.add(EventRow(at=1.0, subject="s", kind="k", data={}))
        session.flush()
        raise RuntimeError
    with database.reading() as session:
        assert session.query(EventRow).count() == 0


def test_a_locked_database_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_MS", 200)
    path = tmp_path / "falaj.db"
    locked_database = Database(f"sqlite:///{path}")
    locked_database.migrate()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(UnavailableError, match="locked") as caught, locked_database.transaction():
            pass
    finally:
        holder.close()
        locked_database.close()
    assert caught.value.code == "storage.unavailable"
    assert str(path) in caught.value.where
