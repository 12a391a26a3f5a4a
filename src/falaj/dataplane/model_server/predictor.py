"""The prediction thread: what waits when it is free goes in one model call, so an idle server adds no delay."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

from falaj.dataplane.model_server.origin import Origin
from falaj.dataplane.model_server.recalibration import ServedRecalibration
from falaj.dataplane.prediction_log.format import AppliedOffset
from falaj.models.backends import Backend
from falaj.models.errors import DeadlineError, QueueFullError, RequestError
from falaj.models.signature import ModelSignature
from falaj.models.tables import Array, Payload, union

MOST_NUMBERS = 10_000_000
"""In the answers to one batch: some 100 MB of JSON."""
Outputs = Mapping[str, Array]


class Moved(NamedTuple):
    """That an answer was recalibrated.

    Args:
        applied: By what.
        bare: The outputs that were moved, as the model gave them.
    """

    applied: AppliedOffset
    bare: Outputs


class Answered(NamedTuple):
    """A request with its answer.

    Args:
        work: The request.
        outputs: What its caller gets.
        moved: That it was recalibrated; None when it was not.
    """

    work: Work
    outputs: Outputs
    moved: Moved | None = None


@dataclass(slots=True, eq=False)
class Work:
    """One request on its way through the prediction thread.

    Attributes:
        request_id: Prediction id.
        payload: Validated rows.
        deadline: `time.monotonic()` after which nobody waits for it.
        origin: Where it came from.
        future: Resolves to the outputs of its rows.
    """

    request_id: str
    payload: Payload
    deadline: float
    origin: Origin
    future: asyncio.Future[Outputs] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of the queue and of one model call, in rows and seconds."""

    batch_rows: int = 256
    queue_rows: int = 8192
    deadline_s: float = 10.0


class Predictor:
    """Owns the model and its only thread.

    Args:
        load: Loads the model; runs in the thread. It must also warm the model up.
        signature: Inputs of the model.
        limits: Bounds.
        record: Called in the thread with the answered requests of a batch before any of them is answered.
        observe: Called in the thread with the number of rows of each batch.
        recalibration: What answers are moved by; read once a batch. None where nothing moves them.
    """

    def __init__(
        self,
        load: Callable[[], Backend],
        signature: ModelSignature,
        limits: BatchLimits,
        *,
        record: Callable[[Sequence[Answered]], None],
        observe: Callable[[int], None],
        recalibration: ServedRecalibration | None = None,
    ) -> None:
        self._load, self._signature, self._limits = load, signature, limits
        self._record, self._observe, self._recalibration = record, observe, recalibration
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._queued: Work | None = None
        self._waiting: set[Work] = set()
        self._thread = threading.Thread(target=self._run, name="predictor", daemon=True)
        self.queued_rows = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Backend]:
        """Start the thread.

        Returns:
            A future that resolves to the loaded model, or to what stopped it from loading.
        """
        self._loop, self._loaded = loop, loop.create_future()
        self._thread.start()
        return self._loaded

    async def predict(
        self, request_id: str, payload: Payload, timeout_s: float | None, origin: Origin | None = None
    ) -> Outputs:
        """Compute the outputs of a request's rows.

        Args:
            request_id: Prediction id.
            payload: Validated rows.
            timeout_s: How long the caller waits at most, if it said so.
            origin: Where the request came from; None for here and now.

        Raises:
            QueueFullError: Too many rows wait; a request of any size is taken by an empty queue.
            DeadlineError: The answer is not there in time.
            RequestError: The model raised.
        """
        rows = payload.count
        if self.queued_rows and self.queued_rows + rows > self._limits.queue_rows:
            raise QueueFullError(f"{self.queued_rows} rows wait; the limit is {self._limits.queue_rows}")
        wait_s = self._limits.deadline_s if timeout_s is None else min(timeout_s, self._limits.deadline_s)
        origin = origin or Origin(time.perf_counter())
        work = Work(request_id, payload, time.monotonic() + wait_s, origin, self._loop.create_future())
        self.queued_rows += rows
        self._waiting.add(work)
        self._queue.put(work)
        try:
            return await work.future
        finally:
            self.queued_rows -= rows
            self._waiting.discard(work)

    def expire(self, now: float) -> None:
        """Give up every request whose deadline has passed, also one that is stuck in the model.

        Args:
            now: `time.monotonic()`.
        """
        for work in [work for work in self._waiting if work.deadline <= now]:
            if not work.future.done():
                work.future.set_exception(DeadlineError("the prediction took longer than its deadline"))

    def stop(self) -> None:
        """Let the thread finish what was given to it and end."""
        self._queue.put(None)
        self._thread.join(timeout=self._limits.deadline_s)

    def _run(self) -> None:
        try:
            backend = self._load()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._loaded.set_exception, error)
            return
        self._loop.call_soon_threadsafe(self._loaded.set_result, backend)
        while (batch := self._next_batch()) is not None:
            self._answer(backend, batch)

    def _next_batch(self) -> list[Work] | None:
        """Wait for one request, then take whatever else is there, up to the row limit."""
        first = self._queued or self._queue.get()
        self._queued = None
        if first is None:
            return None
        batch, rows = [first], first.payload.count
        while rows < self._limits.batch_rows:
            try:
                work = self._queue.get_nowait()
            except Empty:
                break
            if work is None:
                self._queue.put(None)
                break
            rows += work.payload.count
            if rows > self._limits.batch_rows:
                self._queued = work
                break
            batch.append(work)
        return batch

    def _answer(self, backend: Backend, batch: list[Work]) -> None:
        now = time.monotonic()
        live = [work for work in batch if work.deadline > now and not work.future.done()]
        if not live:
            return
        try:
            answered = self._compute(backend, live)
        except Exception as error:
            # One bad request must not fail its neighbours: each is asked alone.
            if len(live) > 1:
                for work in live:
                    self._answer(backend, [work])
            else:
                self._loop.call_soon_threadsafe(_fail, live[0], error)
            return
        self._record(answered)
        self._loop.call_soon_threadsafe(_resolve, answered)

    def _compute(self, backend: Backend, works: Sequence[Work]) -> list[Answered]:
        outputs = backend.predict(union([work.payload for work in works], self._signature))
        rows = sum(work.payload.count for work in works)
        self._observe(rows)
        _check(outputs, rows)
        offset = self._recalibration.current if self._recalibration is not None else None
        moved = None if offset is None else offset.move(outputs)
        if offset is None or moved is None:
            return _split(works, outputs, None)
        bare = {name: outputs[name] for name in moved}
        return _split(works, {**outputs, **moved}, Moved(offset.applied, bare))


def _check(outputs: Outputs, rows: int) -> None:
    """Refuse answers that are not for these rows, or more than a response may hold.

    Raises:
        RequestError: They are.
    """
    if any(not values.ndim or len(values) != rows for values in outputs.values()):
        raise RequestError(f"the model answered another number of rows than the {rows} it was given")
    if (numbers := sum(values.size for values in outputs.values())) > MOST_NUMBERS:
        raise RequestError(f"the model answered with {numbers:,} values; a response holds {MOST_NUMBERS:,}")


def _split(works: Sequence[Work], outputs: Outputs, moved: Moved | None) -> list[Answered]:
    if len(works) == 1:
        return [Answered(works[0], outputs, moved)]
    answers: list[Answered] = []
    start = 0
    for work in works:
        end = start + work.payload.count
        mine = moved and Moved(moved.applied, _rows(moved.bare, start, end))
        answers.append(Answered(work, _rows(outputs, start, end), mine))
        start = end
    return answers


def _rows(outputs: Outputs, start: int, end: int) -> Outputs:
    return {name: values[start:end] for name, values in outputs.items()}


def _resolve(answered: Sequence[Answered]) -> None:
    for each in answered:
        if not each.work.future.done():
            each.work.future.set_result(each.outputs)


def _fail(work: Work, error: Exception) -> None:
    if not work.future.done():
        is_request_error = isinstance(error, RequestError)
        work.future.set_exception(error if is_request_error else RequestError(f"{type(error).__name__}: {error}"))
