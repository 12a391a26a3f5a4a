"""Starting a machine of an executor: it comes in once, and then works until it is asked to stop."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from falaj.build.pipeline.engine import machine_memory
from falaj.build.pipeline.receipt import ReceiptFault, StepReceipt
from falaj.build.pipeline.step_order import StepOrder
from falaj.control.step_worker.errors import (
    JoinTokenError,
    MachineHomeError,
    MachineRunningError,
    OrderGoneError,
    ServerAwayError,
)
from falaj.control.step_worker.order_run import PATIENCE_S, LeaseKeeper, OrderMachine, OrderRun
from falaj.control.step_worker.server import HeldOrder, OrderServer, patiently
from falaj.core.home import Home
from falaj.core.sandbox import ExposedHomeError, refuse_exposed_home
from falaj.dataplane.agent.agent_identity import Membership, membership_of
from falaj.dataplane.agent.enrolment import enrol
from falaj.dataplane.agent.renewal import Renewal, RenewedTransport
from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.schemas.executors import LeasedOrder
from falaj.supply_chain.artifacts import open_home_store
from falaj.supply_chain.certificates.names import WorkloadKind

_FOLDER = "machine"
_LEAST_CPU = 0.1
_AWAY_S = 2.0
logger = logging.getLogger(__name__)


def run_machine(home: Home, url: str, token: str, cpus: float | None = None) -> None:
    """Carry out orders until SIGTERM; what is being carried out then is given up, and made again elsewhere.

    Args:
        home: Folder of this machine.
        url: Base URL of the server's port for machines elsewhere, `https://host:port`; empty for who has joined before.
        token: What `falaj platform executor enroll` printed; empty for who has joined before.
        cpus: Cores that steps may reserve together; all of the machine by default.

    Raises:
        JoinTokenError: The token is none, and this home has not joined.
        MachineRunningError: Another process works for this home.
        MachineHomeError: The home lies below something that steps read.
        AuthorityError: The server belongs to another authority.
        LocationError: The server cannot be reached, or refuses the token.
    """
    try:
        refuse_exposed_home(home.prepare().root)
    except ExposedHomeError as error:
        hint = "choose a folder for FALAJ_HOME that is not below the working directory or a Python"
        raise MachineHomeError(str(error.strerror), hint=hint) from error
    stopping = threading.Event()
    with _alone(home.root):
        member = join(home, url, token)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        Machine(home, member, cpus or float(len(os.sched_getaffinity(0)))).work(stopping)


def join(home: Home, url: str, token: str) -> Membership:
    """Come in with a token, once; see `run_machine`."""
    place = home.root / _FOLDER
    if not token:
        name = (read_json(place / "name.json") or {}).get("name", "")
        member = membership_of(place, name, WorkloadKind.EXECUTOR) if name else None
        if member is None:
            hint = "falaj platform executor enroll NAME, where the control plane runs, prints the command"
            raise JoinTokenError("this machine has not joined an executor", where=str(home.root), hint=hint)
        return member
    name, fingerprint, bearer = _parts(token)
    member = enrol(place, place / "keys", name, url, bearer, fingerprint, WorkloadKind.EXECUTOR)
    write_json(place / "name.json", {"name": name})
    return member


class Machine:
    """Carries out as many orders at a time as its cores and memory allow.

    Args:
        home: Its folder.
        member: By which the server knows it.
        cpus: Cores that steps may reserve together.
    """

    def __init__(self, home: Home, member: Membership, cpus: float) -> None:
        self._member, self._cpus, self._memory = member, cpus, machine_memory()
        self._machine = OrderMachine(home, open_home_store(home), self._memory)
        self._orders = home.root / "orders"
        self._running: dict[str, StepOrder] = {}
        self._keepers: dict[str, LeaseKeeper] = {}
        self._changed = threading.Condition()

    def work(self, stopping: threading.Event) -> None:
        """Ask for orders, and carry them out, until asked to stop."""
        shutil.rmtree(self._orders, ignore_errors=True)  # of a process that was killed
        self._orders.mkdir(parents=True)
        transport = RenewedTransport(self._member, lasting=True)
        threading.Thread(target=Renewal(self._member, transport).run, args=(stopping,), daemon=True).start()
        asker = threading.Thread(target=self._ask_for_orders, args=(transport, stopping), daemon=True)
        asker.start()
        stopping.wait()
        self._end_all()

    def _ask_for_orders(self, transport: RenewedTransport, stopping: threading.Event) -> None:
        server = OrderServer(self._member.client(transport))
        while not stopping.is_set():
            cpu, memory = self._free()
            if cpu < _LEAST_CPU:
                with self._changed:
                    self._changed.wait(_AWAY_S)
                continue
            try:
                leased = server.claim(cpu, memory)
            except (ServerAwayError, OrderGoneError) as error:
                logger.warning("no orders: %s", error)
                stopping.wait(_AWAY_S)
                continue
            if leased is not None:
                self._begin(leased, server)

    def _free(self) -> tuple[float, int]:
        with self._changed:
            limits = [order.limits for order in self._running.values()]
        used = sum(each.memory_bytes or 0 for each in limits)
        return self._cpus - sum(each.cpu for each in limits), max(0, self._memory - used)

    def _begin(self, leased: LeasedOrder, server: OrderServer) -> None:
        order = msgspec.convert(leased.order, StepOrder)
        with self._changed:
            self._running[order.key] = order
        threading.Thread(
            target=self._carry_out, args=(leased, order, server.order(leased)), name=order.node, daemon=True
        ).start()

    def _carry_out(self, leased: LeasedOrder, order: StepOrder, order_server: HeldOrder) -> None:
        logger.info("step.started run=%s step=%s attempt=%d", order.run, order.node, order.attempt)
        try:
            with LeaseKeeper(order_server) as keeper:
                self._keepers[order.key] = keeper
                run = OrderRun(self._machine, leased, order, order_server, partial(_waited, keeper))
                receipt = self._unless_stopped(run.receipt(keeper.stop), keeper)
                patiently(lambda: order_server.settle(receipt), time.monotonic() + PATIENCE_S, run.pause)
            logger.info(
                "step.ended run=%s step=%s code=%s", order.run, order.node, receipt.fault and receipt.fault.code
            )
        except (OrderGoneError, ServerAwayError) as error:
            logger.warning("step.given-up run=%s step=%s reason=%s", order.run, order.node, error)
        except Exception:
            logger.exception("an order could not be carried out")
        finally:
            self._keepers.pop(order.key, None)
            with self._changed:
                self._running.pop(order.key, None)
                self._changed.notify_all()

    def _unless_stopped(self, receipt: StepReceipt, keeper: LeaseKeeper) -> StepReceipt:
        """A step that ended because this machine does was not cancelled by anybody: it is made again elsewhere."""
        if receipt.fault is None or receipt.fault.code != "step.cancelled" or keeper.is_cancelled:
            return receipt
        return StepReceipt(receipt.key, {}, ReceiptFault("step.lost", "the machine was stopped"))

    def _end_all(self) -> None:
        """Ask every step to stop, and wait a little: leases that nobody keeps run out."""
        for keeper in list(self._keepers.values()):
            keeper.end()
        deadline = time.monotonic() + 10.0
        with self._changed:
            while self._running and time.monotonic() < deadline:
                self._changed.wait(0.5)


def _waited(keeper: LeaseKeeper, wait_s: float) -> bool:
    time.sleep(wait_s)
    return keeper.gone


def _parts(token: str) -> tuple[str, str, str]:
    parts = token.split(":")
    if len(parts) != 3 or not all(parts):
        hint = "pass the whole text after --token that falaj platform executor enroll printed"
        raise JoinTokenError("this is not a token for a machine of an executor", hint=hint)
    return parts[0], parts[1], parts[2]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a second process of the same home: two would share a name and a folder."""
    with (folder / "machine.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            hint = "give it a home of its own (FALAJ_HOME), and a token of its own"
            raise MachineRunningError("a worker runs for this home already", where=str(folder), hint=hint) from None
        yield
