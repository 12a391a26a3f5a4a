"""A registered project with releases, as the database knows them, and runs that end as a test wants."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from falaj.control.runs import lifecycle
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.durable import ProcessTable
from tests.owners import own

HOUR, DAY = 3600.0, 86_400.0
CREATED_AT = 1_000 * DAY
NOW = CREATED_AT + 30 * DAY


def registered(database: Database, *retrain: dict[str, Any]) -> ProcessTable:
    """A project `p` with the release `m@1`, and the process table."""
    with database.transaction() as session:
        session.add(
            ProjectRow(
                name="p", repository="/r", branch="main", vendor=None, last_commit="b" * 40, created_at=CREATED_AT
            )
        )
        own(session, "m", "p")
        session.add(release(1, *retrain))
    return ProcessTable(database, {"run": lifecycle.transition})


def release(number: int, *retrain: dict[str, Any], release_time: float = CREATED_AT, **data: Any) -> ReleaseRow:
    """A release of the model `m`."""
    return ReleaseRow(
        model="m", number=number, project="p", run_id=f"r{number}", commit="a" * 40, digest="sha256:" + "0" * 64,
        state="live", data={"retrain": list(retrain), **data}, created_at=release_time,
    )  # fmt: skip


def end_run(session: Session, run_id: str | None, state: str, at: float, reason: str = "", **data: Any) -> None:
    """Let a run end as it would in a worker; one that succeeds without a reason makes the next release."""
    run = session.get_one(RunRow, run_id)
    run.state, run.reason, run.model, run.started_at, run.ended_at = state, reason, "m", run.created_at, at
    if state == "succeeded" and not reason:
        newest = max(row.number for row in session.query(ReleaseRow))
        before = session.get_one(ReleaseRow, ("m", newest)).data
        session.add(release(newest + 1, *before["retrain"], release_time=at, **data))
        run.release = newest + 1
