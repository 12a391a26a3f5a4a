"""Orders are held by one machine, end once, and what a stale holder sends counts for nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import pytest
from sqlalchemy import select, update

from falaj.api.version_feed import VersionFeed
from falaj.build.pipeline.receipt import ReceiptOutput, StepReceipt
from falaj.build.pipeline.step_order import OrderLimits, StepOrder, order_key
from falaj.control.executors import OrderRefusedError, order_queue
from falaj.control.executors.order_queue import Capacity, OrderLease
from falaj.storage import Database, ProjectRow, RunRow
from falaj.storage.executor_tables import StepOrderRow
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration

WIDE = Capacity(8.0, 1 << 34)
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def queue(database: Database) -> Database:
    with database.transaction() as session:
        session.add(ProjectRow(name="p", repository="/r", branch="main", created_at=1.0))
        session.add(
            RunRow(id="r1", project="p", commit="c", trigger="push", params={}, state="running", created_at=1.0)
        )
    return database


def order(name: str = "fit", attempt: int = 1, fence: int = 1, cpu: float = 1.0) -> StepOrder:
    return StepOrder(
        key=order_key("r1", name, attempt, fence), run="r1", node=name, fingerprint=name, attempt=attempt, fence=fence,
        environment="e", call="m:f", command=None, params={}, inputs=(), outputs=("output",), limits=OrderLimits(cpu),
    )  # fmt: skip


def placed(queue: Database, *orders: StepOrder) -> None:
    for each in orders:
        with queue.transaction() as session:
            order_queue.place(session, each, "gpu")


def claimed(queue: Database, machine: str = "gpu.1", free: Capacity = WIDE) -> OrderLease | None:
    with queue.transaction() as session:
        return order_queue.claim(session, "gpu", machine, free, "")


def settled(queue: Database, lease: OrderLease, machine: str = "gpu.1") -> None:
    with queue.transaction() as session:
        row = order_queue.require_lease(session, lease.order.key, machine, lease.lease, to_write=True)
        order_queue.settle(session, row, StepReceipt(lease.order.key), ())


def row_of(queue: Database, of: StepOrder) -> StepOrderRow:
    with queue.reading() as session:
        return session.scalars(select(StepOrderRow).where(StepOrderRow.key == of.key)).one()


def test_what_is_placed_twice_waits_once(queue: Database) -> None:
    placed(queue, order(), order())
    assert claimed(queue) is not None
    assert claimed(queue) is None


def test_a_machine_gets_what_fits_and_has_waited_longest(queue: Database) -> None:
    placed(queue, order("wide", cpu=4.0), order("first"), order("second"))
    leases = [claimed(queue, free=Capacity(2.0, 1 << 30)) for _ in range(3)]
    assert [each.order.node if each else None for each in leases] == ["first", "second", None]


def test_machines_that_wait_are_woken_by_an_order_of_their_executor(queue: Database) -> None:
    stopping, looks = threading.Event(), list[object]()

    def versions(database: Database) -> Mapping[str, object]:
        looks.append(waiting := order_queue.waiting_orders(database))
        return waiting

    async def waits() -> None:
        feed = VersionFeed("orders", queue, versions, stopping)
        machines = [asyncio.create_task(feed.wait("gpu", 0, HANGS_AFTER_S)) for _ in range(20)]
        other = asyncio.create_task(feed.wait("cpu", 0, HANGS_AFTER_S))
        while not looks:
            await asyncio.sleep(0.01)
        assert not any(each.done() for each in machines)
        await asyncio.to_thread(placed, queue, order())
        await asyncio.gather(*machines)
        assert not other.done(), "an order of another executor wakes nobody"
        stopping.set()
        await other

    asyncio.run(waits())
    assert looks[0] == {} and looks[-1] == {"gpu": (1, row_of(queue, order()).created_at)}
    assert claimed(queue) is not None and order_queue.waiting_orders(queue) == {}


def test_an_executor_s_orders_are_not_another_s(queue: Database) -> None:
    placed(queue, order())
    with queue.transaction() as session:
        assert order_queue.claim(session, "cpu", "cpu.1", WIDE, "") is None


def test_of_many_receipts_one_counts(queue: Database) -> None:
    placed(queue, order())
    lease = claimed(queue)
    assert lease
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        barrier.wait()
        try:
            settled(queue, lease)
            outcomes.append("taken")
        except OrderRefusedError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["step-order.lease"] * 5 + ["taken"]


def test_one_machine_gets_an_order_that_many_ask_for(queue: Database) -> None:
    placed(queue, order())
    leases: list[OrderLease | None] = []
    threads = [threading.Thread(target=lambda n=n: leases.append(claimed(queue, f"gpu.{n}"))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in leases if lease]) == 1


@pytest.mark.parametrize(("machine", "lease"), [("gpu.2", None), ("gpu.1", "0" * 32), ("gpu.1", "")])
def test_who_does_not_hold_it_is_refused(queue: Database, machine: str, lease: str | None) -> None:
    placed(queue, order())
    first = claimed(queue)
    assert first
    with queue.transaction() as session, pytest.raises(OrderRefusedError):
        order_queue.require_lease(session, first.order.key, machine, first.lease if lease is None else lease)


def test_the_receipt_of_a_stale_fence_is_refused(queue: Database) -> None:
    placed(queue, order())
    stale = claimed(queue)
    assert stale
    with queue.transaction() as session:
        assert order_queue.void(session, "r1", before_fence=2) == 1
    with pytest.raises(OrderRefusedError):
        settled(queue, stale)
    placed(queue, order(fence=2))
    fresh = claimed(queue, "gpu.2")
    assert fresh and fresh.order.key != stale.order.key
    settled(queue, fresh, "gpu.2")
    assert row_of(queue, stale.order).receipt is None and row_of(queue, fresh.order).receipt is not None


def test_a_receipt_names_what_was_sent_under_its_lease_alone(queue: Database) -> None:
    placed(queue, order())
    lease = claimed(queue)
    assert lease
    receipt = StepReceipt(lease.order.key, {"output": ReceiptOutput(DIGEST, "json")})
    with queue.transaction() as session:
        order_queue.note_upload(session, lease.order.key, "of-another-lease", "manifests/aa")
    with queue.transaction() as session, pytest.raises(OrderRefusedError, match="was not sent"):
        row = order_queue.require_lease(session, lease.order.key, "gpu.1", lease.lease, to_write=True)
        order_queue.settle(session, row, receipt, ["manifests/aa"])
    with queue.transaction() as session:
        order_queue.note_upload(session, lease.order.key, lease.lease, "manifests/aa")
        row = order_queue.require_lease(session, lease.order.key, "gpu.1", lease.lease, to_write=True)
        order_queue.settle(session, row, receipt, ["manifests/aa"])
    assert row_of(queue, lease.order).state == "ended"


def test_a_lease_is_lost_by_the_clock_of_the_database(queue: Database) -> None:
    placed(queue, order())
    lease = claimed(queue)
    assert lease
    row = row_of(queue, lease.order)
    assert not order_queue.is_lost(row, row.lease_expires_at - 0.1)
    assert order_queue.is_lost(row, row.lease_expires_at + 0.1)
    with queue.transaction() as session:
        session.execute(update(StepOrderRow).values(lease_expires_at=0.0))
    with queue.transaction() as session:
        assert order_queue.renew(session, lease.order.key, "gpu.1", lease.lease) == "leased"  # nobody gave it away yet
    assert row_of(queue, lease.order).lease_expires_at > row.created_at


def test_cancelling_ends_what_waits_and_tells_who_holds(queue: Database) -> None:
    placed(queue, order("waits"), order("runs"))
    running = claimed(queue)
    assert running
    for each in (order("waits"), order("runs")):
        with queue.transaction() as session:
            order_queue.cancel(session, each.key)
    assert {row_of(queue, each).state for each in (order("waits"), order("runs"))} == {"ended", "cancelling"}
    with queue.transaction() as session:
        assert order_queue.renew(session, running.order.key, "gpu.1", running.lease) == "cancelling"
    settled(queue, running)


def test_output_that_nobody_takes_is_dropped(queue: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_queue, "_MOST_OUTPUT_ROWS", 2)
    placed(queue, order())
    with queue.transaction() as session:
        assert [order_queue.keep_output(session, order().key, text) for text in "abc"] == [True, True, False]
        assert order_queue.take_output(session, order().key) == ["a", "b"]
        assert order_queue.keep_output(session, order().key, "d")


def test_nothing_is_left_of_a_run_that_ended(queue: Database) -> None:
    placed(queue, order())
    lease = claimed(queue)
    assert lease
    with queue.transaction() as session:
        order_queue.keep_output(session, lease.order.key, "x")
        order_queue.note_upload(session, lease.order.key, lease.lease, "blobs/aa")
        order_queue.forget(session, "r1")
    with queue.reading() as session:
        assert session.scalar(select(StepOrderRow)) is None
