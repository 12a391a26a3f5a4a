"""The orders of steps for other machines: placed, held by a lease, and ended once.

Every lease is counted by the clock of the database, so that the clocks of servers and workers do not matter.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from falaj.build.pipeline.receipt import StepReceipt
from falaj.build.pipeline.step_order import StepOrder
from falaj.control.executors.errors import OrderRefusedError
from falaj.storage import Database
from falaj.storage.durable.clock import database_now
from falaj.storage.executor_tables import StepOrderRow, StepOutputRow, StepUploadRow

LEASE_S = 15.0
"""How long a machine holds an order without being heard."""
_LEASED_STATES = ("leased", "cancelling")
_MOST_OUTPUT_ROWS = 2_000
"""Pieces of output of one order that wait for the log; what comes then is dropped, and counted."""


@dataclass(frozen=True)
class OrderLease:
    """The right to carry out one order.

    Args:
        order: The order.
        lease: Proves the right, beside the certificate of who got it.
        data_key: Id of the data key that the key of its outputs is derived from.
    """

    order: StepOrder
    lease: str
    data_key: str


@dataclass(frozen=True)
class Capacity:
    """What a machine has free.

    Args:
        cpu: Cores.
        memory_bytes: Memory.
    """

    cpu: float
    memory_bytes: int


def place(session: Session, order: StepOrder, executor: str) -> None:
    """Let an order wait for a machine; one that is there already stays as it is."""
    if session.get(StepOrderRow, order.key) is not None:
        return
    session.add(
        StepOrderRow(
            key=order.key, run_id=order.run, executor=executor, fence=order.fence, state="waiting",
            document=msgspec.to_builtins(order), cpu=order.limits.cpu, memory_bytes=order.limits.memory_bytes,
            created_at=database_now(session),
        )
    )  # fmt: skip


def void(session: Session, run_id: str, before_fence: int) -> int:
    """End what an earlier holder of a run has ordered; what comes of it is refused. Returns how many there were."""
    stale = select(StepOrderRow).where(
        StepOrderRow.run_id == run_id, StepOrderRow.fence < before_fence, StepOrderRow.state != "ended"
    )
    rows = session.scalars(stale.with_for_update()).all()
    for row in rows:
        end(session, row, "another worker conducts the run")
    return len(rows)


def claim(session: Session, executor: str, machine: str, free: Capacity, data_key: str) -> OrderLease | None:
    """Take the order that has waited longest and fits; None when there is none.

    Args:
        session: Transaction to write in.
        executor: Of which the machine is one.
        machine: Its name.
        free: What it has free.
        data_key: Id of the data key that protects what is new.
    """
    fits = (StepOrderRow.cpu <= free.cpu, func.coalesce(StepOrderRow.memory_bytes, 0) <= free.memory_bytes)
    waiting = (
        select(StepOrderRow)
        .where(StepOrderRow.executor == executor, StepOrderRow.state == "waiting", *fits)
        .order_by(StepOrderRow.created_at)
        .limit(1)
    )
    row = session.scalar(waiting.with_for_update(skip_locked=True))
    if row is None:
        return None
    now = database_now(session)
    row.state, row.worker, row.lease, row.data_key = "leased", machine, secrets.token_hex(16), data_key
    row.lease_expires_at, row.started_at = now + LEASE_S, now
    return OrderLease(order_of_row(row), row.lease, data_key)


def waiting_orders(database: Database) -> dict[str, tuple[int, float]]:
    """How many orders wait, and when the newest of them came, by executor; those without one are left out."""
    counts = select(StepOrderRow.executor, func.count(), func.max(StepOrderRow.created_at))
    query = counts.where(StepOrderRow.state == "waiting").group_by(StepOrderRow.executor)
    with database.reading() as session:
        return {executor: (count, newest) for executor, count, newest in session.execute(query)}


def require_lease(session: Session, key: str, machine: str, lease: str, *, to_write: bool = False) -> StepOrderRow:
    """The order that a machine holds.

    Raises:
        OrderRefusedError: It does not, or does not any more.
    """
    row = session.get(StepOrderRow, key, with_for_update=to_write)
    if row is None or row.state not in _LEASED_STATES or row.worker != machine or not row.lease:
        raise OrderRefusedError("this machine does not hold the order", where=key[:12])
    if not secrets.compare_digest(row.lease.encode(), lease.encode()):
        raise OrderRefusedError("this machine does not hold the order", where=key[:12])
    return row


def order_of_row(row: StepOrderRow) -> StepOrder:
    """The order that a row holds."""
    return msgspec.convert(row.document, StepOrder)


def renew(session: Session, key: str, machine: str, lease: str) -> str:
    """Hold an order for another `LEASE_S`; return its state, `cancelling` where the step shall stop.

    Raises:
        OrderRefusedError: The machine does not hold it any more.
    """
    row = require_lease(session, key, machine, lease, to_write=True)
    row.lease_expires_at = database_now(session) + LEASE_S
    return row.state


def keep_output(session: Session, key: str, text: str) -> bool:
    """Keep what a step printed until it is in the log; False where too much waits, and it was dropped."""
    count = select(func.count()).select_from(StepOutputRow).where(StepOutputRow.key == key)
    if (session.scalar(count) or 0) >= _MOST_OUTPUT_ROWS:
        return False
    session.add(StepOutputRow(key=key, text=text))
    return True


def note_upload(session: Session, key: str, lease: str, name: str) -> None:
    """Remember that the holder of an order has sent an object."""
    if session.get(StepUploadRow, (key, lease, name)) is None:
        session.add(StepUploadRow(key=key, lease=lease, name=name))


def settle(session: Session, row: StepOrderRow, receipt: StepReceipt, names: Iterable[str]) -> None:
    """Take the receipt of who holds an order.

    Args:
        session: Transaction to write in.
        row: What `require_lease` gave, to write.
        receipt: What came of it.
        names: The objects of all artifacts that it names.

    Raises:
        OrderRefusedError: An object of an output was never sent under this lease.
    """
    sent = select(StepUploadRow.name).where(StepUploadRow.key == row.key, StepUploadRow.lease == row.lease)
    missing = set(names) - set(session.scalars(sent))
    if missing:
        raise OrderRefusedError(
            "an output was not sent under this lease", where=min(missing), code="step-order.artifact"
        )
    row.receipt = msgspec.to_builtins(receipt)
    end(session, row, "")


def end(session: Session, row: StepOrderRow, reason: str) -> None:
    """End an order; nothing that comes afterwards counts."""
    row.state, row.reason, row.ended_at = "ended", reason, database_now(session)
    session.execute(delete(StepUploadRow).where(StepUploadRow.key == row.key))


def cancel(session: Session, key: str) -> None:
    """Ask that an order is not carried out: one that waits ends at once, who holds one hears of it."""
    row = session.get(StepOrderRow, key, with_for_update=True)
    if row is not None and row.state == "waiting":
        end(session, row, "cancelled")
    elif row is not None and row.state == "leased":
        row.state = "cancelling"


def forget(session: Session, run_id: str) -> None:
    """Remove the orders of a run that has ended; its steps and events stay."""
    keys = select(StepOrderRow.key).where(StepOrderRow.run_id == run_id)
    session.execute(delete(StepOutputRow).where(StepOutputRow.key.in_(keys)))
    session.execute(delete(StepUploadRow).where(StepUploadRow.key.in_(keys)))
    session.execute(delete(StepOrderRow).where(StepOrderRow.run_id == run_id))


def has_output(session: Session, key: str) -> bool:
    """Whether a step printed something since the last look."""
    return session.scalar(select(StepOutputRow.id).where(StepOutputRow.key == key).limit(1)) is not None


def take_output(session: Session, key: str) -> Sequence[str]:
    """Take what a step printed since the last look, in order."""
    rows = session.scalars(select(StepOutputRow).where(StepOutputRow.key == key).order_by(StepOutputRow.id)).all()
    if rows:
        session.execute(delete(StepOutputRow).where(StepOutputRow.key == key, StepOutputRow.id <= rows[-1].id))
    return [row.text for row in rows]


def is_lost(row: StepOrderRow, now: float) -> bool:
    """Whether the machine that holds an order was not heard of for longer than its lease."""
    return row.state in _LEASED_STATES and row.lease_expires_at < now


def ahead_of(session: Session, row: StepOrderRow) -> int:
    """How many orders of the same executor a machine would take first."""
    earlier = StepOrderRow.created_at < row.created_at
    same = (StepOrderRow.executor == row.executor, StepOrderRow.state == "waiting", earlier)
    return session.scalar(select(func.count()).select_from(StepOrderRow).where(*same)) or 0
