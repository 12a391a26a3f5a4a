"""Connections and transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from falaj.core.errors import MissingExtraError, UnavailableError
from falaj.storage.facts import FactStore
from falaj.storage.sealed import FactSession, watch

_BUSY_TIMEOUT_MS = 15_000


class Database:
    """The control plane's database.

    Args:
        url: SQLAlchemy URL; `sqlite:///...` or `postgresql+psycopg://...`.
        facts: Seals and verifies the rows that are facts; without it none of them can be read or written.
    """

    def __init__(self, url: str, facts: FactStore | None = None) -> None:
        self.url, self.facts = url, facts
        self.engine = _create_engine(url)
        watch(self.engine)

    def migrate(self) -> None:
        """Bring the schema to the newest revision; two processes that start together do it one after the other."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["engine"] = self.engine
        command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed together, or not at all when the block raises.

        On SQLite the write lock is taken at the start (BEGIN IMMEDIATE), so a read inside is still true at the commit.

        Raises:
            UnavailableError: The database is locked by another process or out of reach (`storage.unavailable`).
        """
        try:
            with FactSession(self.engine, self.facts) as session:
                with session.begin():
                    session.connection()  # begins now, not at the first statement
                    yield session
                session.record_facts()
        except OperationalError as error:
            raise UnavailableError(
                f"the database did not answer: {error.orig}",
                where=self.engine.url.render_as_string(hide_password=True),
                hint="is another program holding a lock, or the disk full?",
                code="storage.unavailable",
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading; it takes no write lock and commits nothing."""
        connect = self.engine.connect().execution_options(falaj_read_only=True)
        with connect as connection, FactSession(connection, self.facts) as session:
            yield session

    def forget_deleted(self) -> bool:
        """Let nothing that was deleted stay in the write-ahead log of SQLite; other databases have ways of their own.

        Returns:
            False where somebody read for so long that the log could not be emptied; the next call may do it.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with closing(self.engine.raw_connection()) as connection:
            busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def known_revisions() -> frozenset[str]:
    """The revisions of the schema that this version can bring to its own."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    return frozenset(each.revision for each in scripts.walk_revisions())


def _create_engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=10)
    except ModuleNotFoundError as error:
        raise MissingExtraError("postgres", "a PostgreSQL database") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
    deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")  # SQLite does not wait for the lock that this needs
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.execute("PRAGMA synchronous=FULL")  # an acknowledged write survives a power cut
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, a destroyed key above all
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")


def _begin_sqlite(connection: Any) -> None:
    read_only = connection.get_execution_options().get("falaj_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
