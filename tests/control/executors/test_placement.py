"""Who conducts a run waits for a machine: what is not permitted, not taken up, lost or damaged is told apart."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.build.pipeline.receipt import ReceiptFault, ReceiptOutput, ReceiptRecord, StepReceipt
from falaj.build.pipeline.step_attempt import DamagedInputError
from falaj.config import StepSpec
from falaj.config.platform_spec import ExecutorSpec
from falaj.control.executors import ExecutorPlacement, order_queue
from falaj.control.executors.order_queue import Capacity, OrderLease
from falaj.storage import Database
from falaj.storage.executor_tables import StepOrderRow
from falaj.supply_chain.artifacts import open_store
from tests.control.executors.test_order_queue import order, queue
from tests.waiting import until

__all__ = ["queue"]

pytestmark = pytest.mark.integration


def placement(database: Database, folder: Path, **settings: object) -> ExecutorPlacement:
    executors = {"gpu": ExecutorSpec("gpu")}
    whole = ExecutorPlacement(
        database, open_store(str(folder)), executors, "gpu", 1, lambda _node, _recorded: None, lambda _s, _e: ""
    )
    return replace(whole, **settings)  # type: ignore[arg-type]


@contextmanager
def machine(database: Database, receipt: StepReceipt | None) -> Iterator[None]:
    """A machine that takes one order up, and sends a receipt, or is lost."""

    def work() -> None:
        lease = until(lambda: _claimed(database))
        with database.transaction() as session:
            order_queue.keep_output(session, lease.order.key, "hello\n")
            row = order_queue.require_lease(session, lease.order.key, "gpu.1", lease.lease, to_write=True)
            if receipt is None:
                row.lease_expires_at = 0.0
            else:
                order_queue.settle(session, row, receipt, ())

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def _claimed(database: Database) -> OrderLease | None:
    with database.transaction() as session:
        return order_queue.claim(session, "gpu", "gpu.1", Capacity(8, 1 << 34), "")


def executed(where: ExecutorPlacement, queue_timeout_s: float | None = None) -> tuple[object, bytes]:
    stop, stopper = os.pipe()
    printed: list[bytes] = []
    executor = where.executor_of(StepSpec("fit", run="m:f", queue_timeout_s=queue_timeout_s))
    assert executor is not None
    try:
        return executor.execute(order(), stop, printed.append), b"".join(printed)
    finally:
        os.close(stop)
        os.close(stopper)


def test_outputs_and_what_was_printed_come_back(queue: Database, tmp_path: Path) -> None:
    recorded: list[tuple[str, Recorded]] = []
    where = placement(queue, tmp_path, record=lambda node, each: recorded.append((node, each)))
    digest = f"sha256:{'b' * 64}"
    receipt = StepReceipt("", {"output": ReceiptOutput(digest, "json")}, None, ReceiptRecord({"depth": "3"}))
    with machine(queue, receipt):
        outputs, printed = executed(where)
    assert outputs["output"].digest == digest  # type: ignore[index]
    assert printed == b"hello\n"
    assert [(node, each.params) for node, each in recorded] == [("fit", {"depth": "3"})]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (ReceiptFault("step.failed", "broke"), StepError, "step.failed"),
        (ReceiptFault("step.lost", "the machine was stopped"), StepError, "step.lost"),
        (ReceiptFault("artifact.corrupt", "damaged", artifact=f"sha256:{'c' * 64}"), DamagedInputError, ""),
    ],
)
def test_a_fault_is_the_error_that_it_would_be_here(
    queue: Database, tmp_path: Path, fault: ReceiptFault, kind: type[Exception], code: str
) -> None:
    with machine(queue, StepReceipt("", {}, fault)), pytest.raises(kind) as raised:
        executed(placement(queue, tmp_path))
    assert getattr(raised.value, "code", "") == code


def test_a_machine_that_is_not_heard_of_has_lost_the_step(queue: Database, tmp_path: Path) -> None:
    with machine(queue, None), pytest.raises(StepError, match=r"gpu\.1 was not heard of") as raised:
        executed(placement(queue, tmp_path))
    assert raised.value.code == "step.lost"


def test_what_nobody_takes_up_fails_with_the_reason(queue: Database, tmp_path: Path) -> None:
    with queue.transaction() as session:
        order_queue.place(session, order("earlier"), "gpu")
    with pytest.raises(StepError, match=r"no machine of the executor 'gpu' took it up in 0\.1 s; 1 waited") as raised:
        executed(placement(queue, tmp_path), queue_timeout_s=0.1)
    assert raised.value.code == "step.queue-timeout"
    with queue.reading() as session:
        assert session.scalars(select(StepOrderRow.state).where(StepOrderRow.key == order().key)).one() == "ended"


def test_a_step_that_is_stopped_while_it_waits_is_cancelled(queue: Database, tmp_path: Path) -> None:
    stop, stopper = os.pipe()
    os.write(stopper, b"!")
    executor = placement(queue, tmp_path).executor_of(StepSpec("fit", run="m:f"))
    assert executor is not None
    with pytest.raises(StepError) as raised:
        executor.execute(order(), stop, lambda _chunk: None)
    assert raised.value.code == "step.cancelled"
    os.close(stop)
    os.close(stopper)


def test_a_machine_that_is_lost_while_its_step_is_stopped_is_no_reason_to_try_again(
    queue: Database, tmp_path: Path
) -> None:
    with queue.transaction() as session:
        order_queue.place(session, order(), "gpu")
        order_queue.claim(session, "gpu", "gpu.1", Capacity(8, 1 << 34), "")
        session.execute(update(StepOrderRow).values(lease_expires_at=0.0))
    test_a_step_that_is_stopped_while_it_waits_is_cancelled(queue, tmp_path)


def test_what_may_not_go_there_is_refused_before_an_order_is_placed(queue: Database, tmp_path: Path) -> None:
    where = placement(queue, tmp_path, residency=lambda sources, each: f"{sorted(sources)} not in {each.jurisdiction}")
    executor = where.executor_of(StepSpec("fit", run="m:f"))
    assert executor is not None
    with pytest.raises(StepError, match=r"\['people'\] not in AE") as raised:
        executor.require_permitted("fit", {"people"})
    assert raised.value.code == "step.residency"


def test_an_executor_that_nobody_named_is_refused(queue: Database, tmp_path: Path) -> None:
    where = placement(queue, tmp_path)
    assert where.executor_of(StepSpec("fit", run="m:f", executor="local")) is None
    with pytest.raises(StepError, match="no executor 'tpu'"):
        where.executor_of(StepSpec("fit", run="m:f", executor="tpu"))
