"""Which executor a step goes to, and waiting for what came of it there."""

from __future__ import annotations

import select as descriptors
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.build.pipeline.receipt import DAMAGED, ReceiptRecord, StepReceipt, error_of
from falaj.build.pipeline.step_attempt import DamagedInputError
from falaj.config.platform_spec import OWN_EXECUTOR, ExecutorSpec
from falaj.control.executors import order_queue
from falaj.core.errors import UnavailableError
from falaj.storage import Database
from falaj.storage.durable.clock import database_now
from falaj.storage.executor_tables import StepOrderRow
from falaj.supply_chain.artifacts.digest import parse_digest

if TYPE_CHECKING:
    from falaj.build.pipeline.cache import Output
    from falaj.build.pipeline.executors import Executor
    from falaj.build.pipeline.step_order import StepOrder
    from falaj.config.spec import StepSpec
    from falaj.supply_chain.artifacts import ArtifactStore

_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.05, 1.0

Record = Callable[[str, Recorded], None]


@dataclass(frozen=True)
class ExecutorPlacement:
    """Where the steps of one run go.

    Args:
        database: Holds the orders.
        store: Holds the outputs.
        executors: Those of platform.yaml, by name.
        default: Where steps go that name none.
        fence: Token of who conducts the run.
        record: Receives a node and what it recorded with MLflow.
        residency: Says why data of sources may not go to an executor; empty where it may.
    """

    database: Database
    store: ArtifactStore
    executors: Mapping[str, ExecutorSpec]
    default: str
    fence: int
    record: Record
    residency: Callable[[Collection[str], ExecutorSpec], str]

    def executor_of(self, step: StepSpec) -> Executor | None:
        """See `Placement.executor_of`.

        Raises:
            StepError: The step names an executor that platform.yaml does not (`step.not-placed`).
        """
        name = step.executor or self.default
        if name == OWN_EXECUTOR:
            return None
        if name not in self.executors:
            raise StepError(
                f"there is no executor '{name}'",
                where=step.name,
                hint="name it under `executors` in platform.yaml, or take `executor` out of the step",
                code="step.not-placed",
            )
        return QueuedExecutor(self, self.executors[name], step.queue_timeout_s)


@dataclass(frozen=True)
class QueuedExecutor:
    """An executor whose machines ask for orders.

    Args:
        placement: Of the run.
        spec: The executor.
        queue_timeout_s: How long an order may wait for a machine; None is no limit.
    """

    placement: ExecutorPlacement
    spec: ExecutorSpec
    queue_timeout_s: float | None

    @property
    def name(self) -> str:
        """See `Executor.name`."""
        return self.spec.name

    def require_permitted(self, step: str, sources: Collection[str]) -> None:
        """See `Executor.require_permitted`."""
        reason = self.placement.residency(sources, self.spec)
        if reason:
            hint = "another `executor`, or `data_from` of this one in platform.yaml where the law lets the data go"
            raise StepError(reason, where=step, hint=hint, code="step.residency")

    def execute(self, order: StepOrder, stop: int, output: Callable[[bytes], None]) -> Mapping[str, Output]:
        """See `Executor.execute`."""
        with self.placement.database.transaction() as session:
            order_queue.place(session, order, self.spec.name)
        stopping, began = False, time.monotonic()
        while True:
            pause_s = _pause_s(time.monotonic() - began)
            ready, _, _ = descriptors.select([] if stopping else [stop], [], [], pause_s)
            if ready:
                stopping = True
                with self.placement.database.transaction() as session:
                    order_queue.cancel(session, order.key)
            try:
                receipt = self._look(order, output)
            except StepError as error:
                raise (
                    StepError("was cancelled", where=order.node, code="step.cancelled") if stopping else error
                ) from None
            if receipt is not None:
                return self._results(order, receipt)

    def _look(self, order: StepOrder, output: Callable[[bytes], None]) -> StepReceipt | None:
        """See how an order is doing; what it printed is passed on.

        Raises:
            StepError: It ended without a receipt.
        """
        try:
            with self.placement.database.reading() as session:
                row = session.scalars(select(StepOrderRow).where(StepOrderRow.key == order.key)).one()
                overdue = self._overdue(row, database_now(session))
                printed = order_queue.has_output(session, order.key)
        except UnavailableError:
            return None  # the database is away: the order waits, and so does the lease on the run
        if printed:
            self._pass_on(order.key, output)
        if overdue:
            row = self._given_up(order, overdue)
        if row.state != "ended":
            return None
        self._pass_on(order.key, output)
        if row.receipt is None:
            raise StepError(row.reason, where=order.node, code=_CODES.get(row.reason, overdue or "step.lost"))
        return msgspec.convert(row.receipt, StepReceipt)

    def _overdue(self, row: StepOrderRow, now: float) -> str:
        """The code of the error that an order is to end with now; empty where it goes on."""
        if order_queue.is_lost(row, now):
            return "step.lost"
        waits = row.state == "waiting" and self.queue_timeout_s is not None
        return "step.queue-timeout" if waits and now - row.created_at > (self.queue_timeout_s or 0.0) else ""

    def _given_up(self, order: StepOrder, code: str) -> StepOrderRow:
        """End an order that is overdue, unless something came of it meanwhile."""
        with self.placement.database.transaction() as session:
            row = session.get_one(StepOrderRow, order.key, with_for_update=True)
            if self._overdue(row, database_now(session)) == code:
                order_queue.end(session, row, self._why(row, code, order_queue.ahead_of(session, row)))
            session.flush()
            session.expunge(row)
        return row

    def _why(self, row: StepOrderRow, code: str, ahead: int) -> str:
        if code == "step.lost":
            return f"the machine {row.worker} was not heard of for {order_queue.LEASE_S:.0f} s"
        waited = f"no machine of the executor '{self.spec.name}' took it up in {self.queue_timeout_s:g} s"
        return f"{waited}; {ahead} waited before it" if ahead else waited

    def _pass_on(self, key: str, output: Callable[[bytes], None]) -> None:
        with self.placement.database.transaction() as session:
            texts = order_queue.take_output(session, key)
        for text in texts:
            output(text.encode())

    def _results(self, order: StepOrder, receipt: StepReceipt) -> Mapping[str, Output]:
        if receipt.record is not None:
            self._keep(order.node, receipt.record)
        if receipt.fault is None:
            return receipt.results()
        error = error_of(receipt.fault)
        if receipt.fault.code in DAMAGED and receipt.fault.artifact:
            raise DamagedInputError(parse_digest(receipt.fault.artifact), error)
        raise error

    def _keep(self, node: str, record: ReceiptRecord) -> None:
        with tempfile.TemporaryDirectory(prefix="falaj-recorded-") as scratch:
            logged = record.artifacts
            files = self.placement.store.fetch(parse_digest(logged), Path(scratch, "files")) if logged else None
            self.placement.record(node, Recorded(dict(record.params), dict(record.tags), record.metrics, files))


def _pause_s(elapsed_s: float) -> float:
    """How long to wait before the next look: a tenth of what the step has taken, so that long ones cost little."""
    return min(_LONGEST_LOOK_S, max(_SHORTEST_LOOK_S, elapsed_s / 10))


_CODES = {"cancelled": "step.cancelled"}
