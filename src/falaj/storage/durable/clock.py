"""The clock of the database, which is one for all machines that hold leases in it."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

_SECONDS = {"sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0"}
_OTHERS = "SELECT EXTRACT(EPOCH FROM clock_timestamp())"


def database_now(session: Session) -> float:
    """Unix seconds as the database counts them; SQLite's is the clock of its machine."""
    dialect = session.get_bind().dialect.name
    return float(session.connection().execute(text(_SECONDS.get(dialect, _OTHERS))).scalar_one())
