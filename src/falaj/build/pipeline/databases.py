"""Data sources in databases: one query in one transaction becomes one Parquet file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from falaj.build.pipeline.connections import OpenConnection, TableReading
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import SourceSnapshot
from falaj.build.pipeline.tables import Bounds, columns_of, require_columns, write_parquet
from falaj.config.connections import DatabaseAddress
from falaj.config.spec import SourceSpec
from falaj.core.egress.destination import resolve
from falaj.core.errors import FalajError, UnavailableError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_CONNECT_S = 10
_MOST_QUERY_BYTES = 256 * 1024
_MOST_WATCHED_ROWS = 100
_WRITES = ("read-only transaction", "read-write mode", "data-modifying")
"""What the database says of a query that does not only read."""
_TIMED_OUT = "due to statement timeout"
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_COMMENT = re.compile(r"\A(\s|--[^\n]*(\n|\Z)|/\*.*?\*/)+", re.DOTALL)


def snapshot(
    source: SourceSpec, connection: OpenConnection | None, worktree: Path, store: ArtifactStore
) -> SourceSnapshot:
    """Pin what a query of the project gives, sorted by its key.

    Args:
        source: With `query` and `key`.
        connection: To the database.
        worktree: The project's folder, which has the query.
        store: Where the snapshot goes.

    Raises:
        SourceError: The query is not one that only reads, its rows are not as the source says, or the database
            refuses it.
        UnavailableError: The database cannot be reached, or takes too long.
    """
    assert connection is not None
    query = query_text(source, worktree)
    address = _address(connection)
    with TemporaryDirectory(prefix="falaj-source-") as scratch, _transaction(source, connection) as cursor:
        target = Path(scratch, source.filename)
        schema = _read(cursor, source, query, address.max_rows, target)
        digest = store.put(target).digest
        rows = _row_count(target)
    place = f"{address.host}:{address.port}/{address.database}"
    reading = TableReading("postgres", place, "", _digest(query), rows, columns_of(schema), connection.versions)
    return SourceSnapshot(digest, f"postgres {place}, query {reading.query}", target.name, "file", reading)


def state_of(source: SourceSpec, connection: OpenConnection | None) -> str | None:
    """The answer of a source's `watch` as a text; None where it has none.

    Raises:
        SourceError: The query is not one that only reads, or gives more than 100 rows.
        UnavailableError: The database cannot be reached, or takes too long.
    """
    if not source.watch:
        return None
    assert connection is not None
    watch = _single_select(source.watch, source.name, f"data.{source.name}.watch")
    with _transaction(source, connection) as cursor:
        cursor.execute(f"SELECT * FROM (\n{watch}\n) AS source LIMIT {_MOST_WATCHED_ROWS + 1}")  # noqa: S608
        rows = cursor.fetchall()
    if len(rows) > _MOST_WATCHED_ROWS:
        raise SourceError(
            f"data source `{source.name}`: `watch` gives more than {_MOST_WATCHED_ROWS} rows",
            hint="one small answer that changes when there is something new, such as `select max(changed) from ...`",
        )
    return repr((watch, rows))


def query_text(source: SourceSpec, worktree: Path) -> str:
    """The query of a source, without what ends it.

    Raises:
        SourceError: It cannot be read, or is not one SELECT.
    """
    path = worktree / source.query
    try:
        content = path.read_bytes()
        if not path.resolve().is_relative_to(worktree.resolve()) or len(content) > _MOST_QUERY_BYTES:
            raise ValueError("it leads out of the project, or has more than 256 KiB")
        text = content.decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(
            f"data source `{source.name}`: the query cannot be read: {reason}", where=source.query
        ) from None
    return _single_select(text, source.name, source.query)


def _single_select(text: str, name: str, where: str) -> str:
    """The query without comments before it and semicolons after it.

    What it does is decided by the transaction, which only reads; this says early and clearly what is meant.
    """
    query = _COMMENT.sub("", text).rstrip().rstrip(";").rstrip()
    first = re.match(r"[A-Za-z]*", query)
    word = (first.group() if first else "").upper()
    if word not in ("SELECT", "WITH", "VALUES", "TABLE") and not query.startswith("("):
        what = f"begins with {word}" if word else "is empty"
        raise SourceError(
            f"data source `{name}`: the query {what}, and a source only reads",
            where=where,
            hint="one SELECT, or WITH ... SELECT",
        )
    return query


def _read(cursor: Any, source: SourceSpec, query: str, max_rows: int, target: Path) -> pa.Schema:
    """Write the rows of a query, sorted by the key; text is compared by its bytes, whatever the database's language."""
    cursor.execute(f"SELECT * FROM (\n{query}\n) AS source LIMIT 0")  # noqa: S608 - the transaction only reads
    schema = cursor.fetch_record_batch().schema
    require_columns(schema, source.key, source.name)
    text = {name for name in source.key if schema.field(name).type == pa.string()}
    order = ", ".join(_quoted(name) + (' COLLATE "C"' if name in text else "") for name in source.key)
    cursor.execute(f"SELECT * FROM (\n{query}\n) AS source ORDER BY {order} LIMIT {max_rows + 1}")  # noqa: S608
    batches = cursor.fetch_record_batch()
    return write_parquet(_until_broken(batches), batches.schema, target, Bounds(source.name, max_rows, source.key))


class _BrokenStreamError(Exception):
    """The database ended a query after its first rows."""


def _until_broken(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise _BrokenStreamError(str(error)) from None
        yield batch


def _row_count(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


@contextmanager
def _transaction(source: SourceSpec, connection: OpenConnection) -> Iterator[Any]:
    """A cursor in a transaction that only reads, and sees what was there when it began."""
    address = _address(connection)
    try:
        with (
            dbapi.connect(_uri(address, connection), autocommit=True) as client,
            client.cursor() as cursor,
        ):
            cursor.execute(_BEGIN)
            cursor.execute("SELECT 1")  # from now on no query can make it one that writes
            cursor.fetchall()
            yield cursor
    except FalajError:
        raise
    except (dbapi.Error, _BrokenStreamError) as error:
        raise _explained(error, source, connection) from None
    except OSError as error:
        raise UnavailableError(
            f"data source `{source.name}`: {address.host} cannot be reached: {error.strerror or error}",
            where=f"connections.{connection.spec.name}", code="source.unavailable",
        ) from None  # fmt: skip


def _uri(address: DatabaseAddress, connection: OpenConnection) -> str:
    """What libpq connects to: addresses that were permitted, and names only for the certificate."""
    hosts: dict[str, str] = {"host": address.host}
    if not address.host.startswith("/"):
        permitted = connection.egress.require(address.host, resolve(address.host, address.port))
        hosts = {"host": ",".join([address.host] * len(permitted)), "hostaddr": ",".join(permitted)}
    limit_ms = int(address.timeout_s * 1000)
    options = (
        f"-c statement_timeout={limit_ms} -c lock_timeout={limit_ms} -c idle_in_transaction_session_timeout={limit_ms}"
    )
    mode = {"off": "disable"}.get(address.tls, address.tls)
    certificates = {"sslrootcert": address.ca or "system"} if address.tls == "verify-full" else {}
    values = {
        **hosts, **certificates, "port": str(address.port), "user": address.user, "dbname": address.database,
        "sslmode": mode, "password": connection.secrets.get("password", ""), "connect_timeout": str(_CONNECT_S),
        "application_name": "falaj", "keepalives_idle": "30", "options": options,
    }  # fmt: skip
    return "postgresql://?" + urlencode({name: value for name, value in values.items() if value}, quote_via=quote)


def _explained(error: Exception, source: SourceSpec, connection: OpenConnection) -> FalajError:
    """What a user can do about an answer of the database."""
    where, name = f"connections.{connection.spec.name}", f"data source `{source.name}`"
    state, reason = getattr(error, "sqlstate", None) or "", _reason(str(error), connection)
    if _TIMED_OUT in reason:
        seconds = f"{_address(connection).timeout_s:g}"
        return UnavailableError(
            f"{name}: the query took longer than {seconds} s", where=source.query or where,
            hint="a narrower query, or `timeout` of the connection", code="source.timed-out",
        )  # fmt: skip
    if any(words in reason for words in _WRITES):
        return SourceError(f"{name}: the query writes, and a source only reads", where=source.query, hint="one SELECT")
    if _is_away(str(error), state):
        if "password authentication failed" in reason or "no password supplied" in reason:
            secret = connection.spec.secrets.get("password", "password")
            return SourceError(f"{name}: the database does not take the password", where=where,
                               hint=f"falaj platform secret set {secret}")  # fmt: skip
        return UnavailableError(
            f"{name}: the database cannot be asked: {reason}", where=where, code="source.unavailable"
        )
    return SourceError(
        f"{name}: {reason}", where=source.query or where, hint="mend the query, or grant the user to read"
    )


def _is_away(text: str, state: str) -> bool:
    """Whether the connection was lost or not made, and not the query refused; rows on their way have no state."""
    return state.startswith(("08", "57P", "53")) if state else "ERROR:" not in text


def _reason(text: str, connection: OpenConnection) -> str:
    """The sentence of the database alone, without the query and without secrets."""
    line = re.search(r"(?:ERROR|FATAL):\s+([^\n]+)", text)
    reason = line.group(1) if line else (text.splitlines() or [""])[0]
    for secret in connection.secrets.values():
        reason = reason.replace(secret, "***")
    return reason[:500]


def _address(connection: OpenConnection) -> DatabaseAddress:
    assert connection.spec.database is not None
    return connection.spec.database


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
