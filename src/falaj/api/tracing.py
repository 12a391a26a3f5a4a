"""Traces of runs: one for each run that ended, with a span for each of its steps, checks and gates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from falaj.api.platform import Platform
from falaj.integrations.otlp import Exporter, Span, Value, exporter_of, span_id_of, trace_id_of
from falaj.storage import EventRow, RunRow, StepRunRow

_LOOK_S = 1.0
_AT_ONCE = 50
_ENDED = "run.ended"
_BROKEN = frozenset({"failed", "rejected", "cancelled"})

_log = logging.getLogger(__name__)


def spans_of(run: RunRow, steps: list[StepRunRow]) -> list[Span]:
    """The trace of a run; its id comes of the run's."""
    trace = trace_id_of(f"run {run.id}")
    whole = span_id_of(trace, "run")
    end = run.ended_at if run.ended_at is not None else run.created_at
    span_attributes: dict[str, Value | None] = {
        "falaj.run": run.id, "falaj.config": run.project, "falaj.model": run.model, "falaj.commit": run.commit,
        "falaj.trigger": run.trigger, "falaj.state": run.state, "falaj.release": run.release,
        "falaj.waited_s": None if run.started_at is None else run.started_at - run.created_at,
    }  # fmt: skip
    error = (run.reason or run.state) if run.state in _BROKEN else None
    root = Span(trace, whole, "run", run.started_at or run.created_at, end, attributes=span_attributes, error=error)
    return [root, *(_step(step, root) for step in steps if step.started_at is not None and step.ended_at is not None)]


def _step(step: StepRunRow, root: Span) -> Span:
    span_attributes: dict[str, Value | None] = {"falaj.node": step.node, "falaj.state": step.state}
    return Span(
        root.trace_id, span_id_of(root.trace_id, step.node), step.kind, step.started_at or 0.0, step.ended_at or 0.0,
        root.span_id, attributes=span_attributes, error=step.state if step.state in _BROKEN else None,
    )  # fmt: skip


class RunTraces:
    """Follows the events of an installation and offers the trace of each run that has ended since.

    Args:
        platform: The installation.
        exporter: Where spans go.
    """

    def __init__(self, platform: Platform, exporter: Exporter) -> None:
        self._platform, self._exporter = platform, exporter
        with platform.database.reading() as session:
            self._after = session.scalar(select(func.max(EventRow.id))) or 0

    def turn(self) -> int:
        """Offer what ended since the last turn; return how many runs."""
        query = select(EventRow).where(EventRow.id > self._after, EventRow.kind == _ENDED).order_by(EventRow.id)
        with self._platform.database.reading() as session:
            events = list(session.scalars(query.limit(_AT_ONCE)))
            for event in events:
                run = session.get(RunRow, event.subject.removeprefix("run/"))
                if run is not None:
                    steps = select(StepRunRow).where(StepRunRow.run_id == run.id).order_by(StepRunRow.position)
                    self._exporter.offer(spans_of(run, list(session.scalars(steps))))
                self._after = event.id
        return len(events)

    def run(self, stopping: threading.Event) -> None:
        """Follow until told to stop."""
        while not stopping.wait(_LOOK_S):
            try:
                self.turn()
            except SQLAlchemyError as error:
                _log.warning("traces.waiting reason=%s", error)


@contextmanager
def traced(platform: Platform) -> Iterator[None]:
    """Send traces of runs while the block lasts, if a setting says where to.

    Raises:
        OtlpUrlError: The setting is no URL.
    """
    exporter = exporter_of(platform.home.settings, "falaj-server")
    if exporter is None:
        yield
        return
    stopping = threading.Event()
    loops = (RunTraces(platform, exporter).run, exporter.run)
    threads = [threading.Thread(target=loop, args=(stopping,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    yield
    stopping.set()
    for thread in threads:
        thread.join(timeout=6)
