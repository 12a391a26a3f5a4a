"""From answered requests to records of the prediction log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from falaj.dataplane.model_server.metrics import Metrics
from falaj.dataplane.model_server.predictor import Answered, Outputs
from falaj.dataplane.prediction_log import LogWriter
from falaj.dataplane.prediction_log.format import BARE
from falaj.dataplane.prediction_log.writer import LogUnavailableError
from falaj.models.tables import Array, Payload, Rows

_REPORT_EVERY_S = 60.0


class Recorder:
    """Writes each batch to the log; a log that fails costs records, never answers, and is counted and reported.

    Args:
        writer: The log.
        metrics: Where lost records are counted.
        clock_ns: Unix time in nanoseconds.
    """

    def __init__(self, writer: LogWriter, metrics: Metrics, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._writer, self._metrics, self._clock_ns = writer, metrics, clock_ns
        self._reported = -_REPORT_EVERY_S

    def __call__(self, answered: Sequence[Answered]) -> None:
        """Append the records of one batch."""
        now, tick = self._clock_ns(), time.perf_counter()
        answers = [_record(each, now, tick) for each in answered]
        try:
            self._writer.write(answers)
        except LogUnavailableError as error:
            self._metrics.unlogged += len(answers)
            self._report(error)

    def _report(self, error: LogUnavailableError) -> None:
        if time.monotonic() - self._reported >= _REPORT_EVERY_S:
            self._reported = time.monotonic()
            print(f"{error.code}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the process's log)


def _record(answered: Answered, now: int, tick: float) -> tuple[Any, ...]:
    work, outputs, moved = answered
    facts = work.origin.facts(tick)
    if moved is None:
        return work.request_id, now, _features(work.payload), _lists(outputs), facts
    bare = {f"{BARE}{name}": values for name, values in moved.bare.items()}
    applied = (moved.applied.version, moved.applied.offset)
    return work.request_id, now, _features(work.payload), _lists({**outputs, **bare}), facts, applied


def _features(payload: Payload) -> Any:
    if isinstance(payload, Rows):
        return payload.rows
    return {"columns": [_stored(column) for column in payload.columns]}


def _stored(column: Array) -> Any:
    if column.dtype.kind == "O":
        return column.tolist()
    return {"dtype": column.dtype.str, "shape": column.shape, "data": column.tobytes()}


def _lists(outputs: Outputs) -> dict[str, Any]:
    return {name: values.tolist() for name, values in outputs.items()}
