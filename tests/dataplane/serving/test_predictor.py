"""The prediction thread: batches, bounds, deadlines, and errors that stay with their request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from falaj.dataplane.model_server import predictor as module
from falaj.dataplane.model_server.predictor import Answered, BatchLimits, Outputs, Predictor
from falaj.models.errors import DeadlineError, QueueFullError, RequestError
from falaj.models.signature import ModelFeature, ModelSignature
from falaj.models.tables import Array, InputColumns, Rows

SIGNATURE = ModelSignature((ModelFeature("x", "double"),), columns=True)


class Doubling:
    """A model that doubles, counts rows of its calls, waits for a gate, and fails on negative numbers."""

    platform, answer = "test", "prediction"

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        self.gate.wait(10)
        self.calls.append(len(columns[0]))
        if (columns[0] < 0).any():
            raise ValueError("negative")
        return {"prediction": columns[0] * 2}


class Bench:
    """A predictor on the running loop, with what it recorded."""

    def __init__(self, **limits: Any) -> None:
        self.model = Doubling()
        self.recorded: list[tuple[str, list[float]]] = []
        self.predictor = Predictor(
            lambda: self.model, SIGNATURE, BatchLimits(**limits), record=self.record, observe=lambda _rows: None
        )

    def record(self, answered: Sequence[Answered]) -> None:
        self.recorded += [(each.work.request_id, each.outputs["prediction"].tolist()) for each in answered]

    async def __aenter__(self) -> Bench:
        await self.predictor.start(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.model.gate.set()
        self.predictor.stop()

    def ask(self, *values: float, timeout_s: float | None = None) -> asyncio.Task[Outputs]:
        payload = Rows([(value,) for value in values])
        return asyncio.create_task(self.predictor.predict(str(values[0]), payload, timeout_s))


def run(test: Any) -> None:
    asyncio.run(test())


def test_what_waits_goes_in_one_call_and_every_request_gets_its_own_rows() -> None:
    async def test() -> None:
        async with Bench() as bench:
            bench.model.gate.clear()
            first = bench.ask(1)
            await asyncio.sleep(0.05)
            others = [bench.ask(n, n + 0.5) for n in range(2, 12)]
            await asyncio.sleep(0.05)
            bench.model.gate.set()
            answers = await asyncio.gather(first, *others)
            assert [a["prediction"].tolist() for a in answers] == [[2], *([n * 2, n * 2 + 1] for n in range(2, 12))]
            assert bench.model.calls == [1, 20]
            assert [request for request, _ in bench.recorded] == [str(n) for n in range(1, 12)]

    run(test)


def test_a_call_takes_no_more_rows_than_the_limit_and_a_larger_request_goes_alone() -> None:
    async def test() -> None:
        async with Bench(batch_rows=4) as bench:
            bench.model.gate.clear()
            pending_answers = [bench.ask(0), *(bench.ask(n, n) for n in range(5)), bench.ask(*range(9))]
            await asyncio.sleep(0.05)
            bench.model.gate.set()
            await asyncio.gather(*pending_answers)
            assert sum(bench.model.calls) == 20
            assert max(bench.model.calls[:-1]) <= 4 and bench.model.calls[-1] == 9

    run(test)


def test_a_full_queue_refuses_and_recovers() -> None:
    async def test() -> None:
        async with Bench(queue_rows=4) as bench:
            bench.model.gate.clear()
            pending_answers = [bench.ask(1, 2), bench.ask(3, 4)]
            await asyncio.sleep(0)
            with pytest.raises(QueueFullError) as refused:
                await bench.ask(5)
            assert refused.value.status == 429 and refused.value.retry_after_s
            bench.model.gate.set()
            await asyncio.gather(*pending_answers)
            assert bench.predictor.queued_rows == 0
            assert (await bench.ask(*range(9)))["prediction"].tolist() == [n * 2 for n in range(9)]

    run(test)


def test_an_overdue_request_is_given_up_even_inside_the_model_and_is_not_recorded() -> None:
    async def test() -> None:
        async with Bench(deadline_s=5.0) as bench:
            bench.model.gate.clear()
            stuck = bench.ask(1, timeout_s=0.01)
            await asyncio.sleep(0.05)
            waiting = bench.ask(2, timeout_s=0.01)
            await asyncio.sleep(0.05)
            bench.predictor.expire(time.monotonic())
            for task in (stuck, waiting):
                with pytest.raises(DeadlineError):
                    await task
            bench.model.gate.set()
            assert (await bench.ask(3))["prediction"].tolist() == [6]
            assert ("2", [4.0]) not in bench.recorded

    run(test)


def test_a_failing_request_does_not_fail_its_neighbours() -> None:
    async def test() -> None:
        async with Bench() as bench:
            bench.model.gate.clear()
            pending_answers = [bench.ask(0), bench.ask(1), bench.ask(-1), bench.ask(2)]
            await asyncio.sleep(0.05)
            bench.model.gate.set()
            answers = await asyncio.gather(*pending_answers, return_exceptions=True)
            assert isinstance(answers[2], RequestError) and "negative" in str(answers[2])
            assert [f["prediction"].tolist() for f in (answers[0], answers[1], answers[3])] == [[0], [2], [4]]  # type: ignore[index]

    run(test)


def test_the_end_answers_what_was_accepted() -> None:
    async def test() -> None:
        async with Bench() as bench:
            bench.model.gate.clear()
            pending_answers = [bench.ask(n) for n in range(5)]
            await asyncio.sleep(0.05)
            threading.Timer(0.05, bench.model.gate.set).start()
            bench.predictor.stop()
            assert len(await asyncio.gather(*pending_answers)) == 5

    run(test)


def test_rows_and_columns_share_a_call() -> None:
    async def test() -> None:
        async with Bench() as bench:
            bench.model.gate.clear()
            columns = bench.predictor.predict("c", InputColumns([np.array([7.0, 8.0])]), None)
            pending_answers = [bench.ask(0), bench.ask(1), asyncio.create_task(columns)]
            await asyncio.sleep(0.05)
            bench.model.gate.set()
            assert [a["prediction"].tolist() for a in await asyncio.gather(*pending_answers)] == [[0], [2], [14, 16]]

    run(test)


def test_a_model_that_does_not_load_says_so() -> None:
    async def test() -> None:
        def broken() -> Any:
            raise OSError("no such model")

        predictor = Predictor(broken, SIGNATURE, BatchLimits(), record=lambda _a: None, observe=lambda _r: None)
        with pytest.raises(OSError, match="no such model"):
            await predictor.start(asyncio.get_running_loop())

    run(test)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda x: x[:-1], "another number of rows than the 2"),
        (lambda _: np.float64(3), "another number of rows than the 2"),
        (lambda x: np.zeros((len(x), 6)), "12 values; a response holds 10"),
    ],
)
def test_an_answer_that_is_none_or_too_large_is_one_line(
    monkeypatch: pytest.MonkeyPatch, answer: Any, reason: str
) -> None:
    monkeypatch.setattr(module, "MOST_NUMBERS", 10)

    async def test() -> None:
        async with Bench() as bench:
            monkeypatch.setattr(bench.model, "predict", lambda columns: {"prediction": answer(columns[0])})
            with pytest.raises(RequestError, match=reason):
                await bench.ask(1, 2)
            assert bench.recorded == []

    run(test)
