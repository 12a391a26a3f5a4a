"""What a run says, written to the database in batches so that steps never wait for it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falaj.build.pipeline.events import RunEvent
from falaj.core.errors import UnavailableError
from falaj.storage import Database, EventRow, ProcessRow, RunRow, StepRunRow

_FLUSH_EVERY_S = 0.1
_TRY_AGAIN_S = 1.0
_GIVE_UP_AFTER_S = 60.0
_STATES = {
    "step.queued": "queued", "step.started": "running", "step.cached": "cached", "step.finished": "succeeded",
    "step.failed": "failed", "step.retried": "running", "check.started": "running", "gate.started": "running",
}  # fmt: skip
_ENDING = ("step.cached", "step.finished", "step.failed", "check.finished", "gate.finished")

logger = logging.getLogger(__name__)


class Journal:
    """Keeps the events of one run and the latest state of each step, check and gate.

    While the database is locked or away the events wait in memory.

    Args:
        database: Where they go.
        run_id: The run.
        fence: Token of the lease on the run: once somebody else conducts it, nothing is written any more.
    """

    def __init__(self, database: Database, run_id: str, fence: int) -> None:
        self._database, self._run_id, self._fence = database, run_id, fence
        self._events: queue.SimpleQueue[RunEvent] = queue.SimpleQueue()
        self._batch: list[RunEvent] = []
        self._mlflow_run: str | None = None
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._write_until_done, name="journal", daemon=True)

    def __enter__(self) -> Journal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is left."""
        self._finished.set()
        self._thread.join()

    def emit(self, event: RunEvent) -> None:
        """Take an event; it is stored within a tenth of a second."""
        self._events.put(event)

    def set_mlflow_run(self, mlflow_run: str) -> None:
        """Remember the tracking run, so that a restarted worker goes on with it; stored as soon as an event is."""
        self._mlflow_run = mlflow_run

    def _write_until_done(self) -> None:
        while not self._finished.wait(_FLUSH_EVERY_S):
            self._flushed()
        deadline = time.monotonic() + _GIVE_UP_AFTER_S
        while not self._flushed() and time.monotonic() < deadline:
            time.sleep(_TRY_AGAIN_S)

    def _flushed(self) -> bool:
        """Write what waits; False when the database did not take it, and it waits on."""
        try:
            self._flush()
        except UnavailableError as error:
            logger.warning("events of run %s wait: %s", self._run_id, error)
            return False
        return True

    def _flush(self) -> None:
        while not self._events.empty():
            self._batch.append(self._events.get())
        mlflow_run = self._mlflow_run
        if not self._batch and mlflow_run is None:
            return
        with self._database.transaction() as session:
            if self._is_stale(session):
                logger.warning("another worker conducts run %s; its events are not ours to write", self._run_id)
            else:
                self._write(session, mlflow_run)
        self._batch = []
        if mlflow_run is not None:
            self._mlflow_run = None

    def _is_stale(self, session: Session) -> bool:
        process = session.get(ProcessRow, self._run_id, with_for_update={"read": True})
        return process is not None and process.fence != self._fence

    def _write(self, session: Session, mlflow_run: str | None) -> None:
        if mlflow_run is not None:
            session.get_one(RunRow, self._run_id).mlflow_run = mlflow_run
        for event in self._batch:
            session.add(EventRow(at=event.at, subject=f"run/{self._run_id}", kind=event.kind, data=event_data(event)))
            if event.node and event.kind != "step.log":
                self._apply(session, event)

    def _apply(self, session: Session, event: RunEvent) -> None:
        row = session.get(StepRunRow, (self._run_id, event.node))
        if row is None:
            position_query = select(func.count()).select_from(StepRunRow).where(StepRunRow.run_id == self._run_id)
            kind = event.kind.partition(".")[0]
            row = StepRunRow(
                run_id=self._run_id, node=event.node, kind=kind, position=session.scalar(position_query) or 0, detail={}
            )
            session.add(row)
        row.state = _state(event)
        row.detail = {**row.detail, **event.data}
        if event.kind.endswith(".started"):
            row.started_at, row.ended_at = event.at, None
        if event.kind in _ENDING:
            row.started_at = row.started_at or event.data.get("started_at") or event.at
            row.ended_at = event.at
        session.flush()


def _state(event: RunEvent) -> str:
    if event.kind in ("check.finished", "gate.finished"):
        return event.verdict
    return _STATES[event.kind]


def event_data(event: RunEvent) -> dict[str, Any]:
    """The data of an event with the node it belongs to."""
    return {"node": event.node, **event.data}
