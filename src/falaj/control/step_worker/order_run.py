"""One order, carried out: what it names is fetched, its step runs in the sandbox, its outputs are sent."""

from __future__ import annotations

import base64
import codecs
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.executors.local import LocalExecutor
from falaj.build.pipeline.input_cache import Materials
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.build.pipeline.receipt import ReceiptOutput, ReceiptRecord, StepReceipt, fault_of
from falaj.build.pipeline.secret_masking import Hiding, Secrets
from falaj.build.pipeline.step_attempt import DamagedInputError, StepResources
from falaj.build.pipeline.step_order import StepOrder
from falaj.control.step_worker.errors import OrderGoneError, ServerAwayError
from falaj.control.step_worker.server import HeldOrder, patiently
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.venv.environment import Environment, build
from falaj.schemas.executors import LeasedOrder
from falaj.supply_chain.artifacts import ArtifactStore, Digest, parse_digest
from falaj.supply_chain.artifacts.reading import blob_key, manifest_key
from falaj.supply_chain.artifacts.transfer import ObjectGrant, opened, take_in
from falaj.supply_chain.encryption.stream import SALT_BYTES, DataKey, seal

PATIENCE_S = 3600.0
"""How long what came of an order is stored for a server that is away, while the order is this machine's."""
T = TypeVar("T")
_RENEW_EVERY_S = 1.0
_MOST_PENDING_BYTES = 4 << 20
_MOST_TEXT = 1 << 18


@dataclass(frozen=True)
class OrderMachine:
    """What all orders of this machine share.

    Args:
        home: Its folder.
        store: What was fetched and made here, by digest.
        memory_bytes: Memory that a step without a limit of its own may use.
    """

    home: Home
    store: ArtifactStore
    memory_bytes: int


@dataclass
class OrderRun:
    """One order on this machine.

    Args:
        machine: Where it is carried out.
        leased: The order and its lease.
        order: The order.
        server: Is asked about it.
        pause: Waits so many seconds before the server is asked again; True where there is no point any more.
    """

    machine: OrderMachine
    leased: LeasedOrder
    order: StepOrder
    server: HeldOrder
    pause: Callable[[float], bool]
    record: ReceiptRecord | None = field(default=None, init=False)

    def receipt(self, stop: int) -> StepReceipt:
        """Carry it out; every way in which it can fail is a receipt as well.

        Raises:
            OrderGoneError: The server says that it is not this machine's any more.
            ServerAwayError: The server was away for too long.
        """
        try:
            outputs = self._outputs(stop)
        except (OrderGoneError, ServerAwayError):
            raise
        except DamagedInputError as error:
            return self._failed(error.error, error.digest)
        except FalajError as error:
            return self._failed(Secrets(self.leased.secrets).hide_in(error))
        except OSError as error:
            return self._failed(StepError(f"could not be run: {error}", where=self.order.node))
        return StepReceipt(self.order.key, outputs, None, self.record)

    def _failed(self, error: FalajError, artifact: str = "") -> StepReceipt:
        return StepReceipt(self.order.key, {}, fault_of(error, artifact), self.record)

    def _outputs(self, stop: int) -> dict[str, ReceiptOutput]:
        order, machine = self.order, self.machine
        with self._folder() as folder, _Printed(self.server, Secrets(self.leased.secrets).forms) as printed:
            for digest in sorted(order.artifacts()):
                self._fetch(parse_digest(digest))
            worktree = machine.store.fetch(parse_digest(order.tree), folder / "worktree")
            bench = StepResources(
                machine.store,
                Materials(machine.store, folder / "inputs"),
                self._environment(worktree),
                worktree,
                folder / "steps",
                machine.memory_bytes,
                machine.home.root,
                Secrets(self.leased.secrets),
                self._recorded,
            )
            outputs = LocalExecutor(bench, os.environ).execute(order, stop, printed.write)
            for output in outputs.values():
                self._send(output.digest)
            return {name: ReceiptOutput(output.digest, output.kind) for name, output in outputs.items()}

    def _environment(self, worktree: Path) -> Environment:
        """The project's python on this machine, which must be the one that the order names.

        Raises:
            StepError: It is another one.
        """
        environment = build(worktree, self.machine.home)
        if environment.digest != self.order.environment:
            hint = "a lockfile in the project, and the same Python and processor on every machine, make them equal"
            if environment.reproducible:
                hint = f"this machine has Python {environment.interpreter} on {os.uname().machine}"
            raise StepError(
                "the environment of this machine is not the one that the run was planned with",
                where=self.order.node,
                hint=hint,
                code="step.other-environment",
            )
        return environment

    def _fetch(self, digest: Digest) -> None:
        """Fetch an artifact that is not here yet, object by object."""
        if self.machine.store.has(digest):
            return
        try:
            for grant in self._patiently(lambda: self.server.grants(digest)):
                if self.machine.store.backend.size(grant.name) != grant.size:
                    self._patiently(partial(self._fetch_object, digest, grant))
        except (OrderGoneError, ServerAwayError):
            raise
        except FalajError as error:
            raise DamagedInputError(digest, error) from error

    def _fetch_object(self, digest: Digest, grant: ObjectGrant) -> None:
        take_in(self.machine.store, grant.name, opened(self.server.fetch(digest, grant.name), grant), grant.size)

    def _patiently(self, what: Callable[[], T]) -> T:
        return patiently(what, time.monotonic() + PATIENCE_S, self.pause)

    def _send(self, digest: Digest) -> None:
        """Send an artifact that was made here: what it consists of first, its manifest last."""
        store = self.machine.store
        for entry in store.manifest(digest).files:
            self._send_object(blob_key(entry.blob), store.backend.read(blob_key(entry.blob)))
        self._send_object(manifest_key(digest), [store.manifest(digest).encode()])

    def _send_object(self, name: str, chunks: Iterable[bytes]) -> None:
        with tempfile.TemporaryFile(dir=self.machine.home.root / "orders") as file:
            for chunk in self._sealed(name, chunks):
                file.write(chunk)
            self._patiently(partial(self.server.send, name, file))

    def _sealed(self, name: str, chunks: Iterable[bytes]) -> Iterable[bytes]:
        if not self.leased.output_key:
            return chunks
        secret = base64.b64decode(self.leased.output_key)
        key = DataKey(self.leased.output_key_id, self.leased.tenant, secret)
        return seal(chunks, key, name, os.urandom(SALT_BYTES))

    def _recorded(self, _node: str, recorded: Recorded) -> None:
        logged = ""
        if recorded.artifacts is not None:
            logged = self.machine.store.put(recorded.artifacts).digest
            self._send(Digest(logged))
        self.record = ReceiptRecord(recorded.params, recorded.tags, recorded.metrics, logged)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = self.machine.home.root / "orders" / self.order.key[:32]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class LeaseKeeper:
    """Keeps an order while the block runs; `stop` becomes readable when its step shall stop.

    Args:
        server: Is asked.
    """

    def __init__(self, server: HeldOrder) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.stop, self._stopper = os.pipe()
        self.gone = self.is_cancelled = False

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        os.close(self.stop)
        os.close(self._stopper)

    def end(self) -> None:
        """Ask the step to stop."""
        with suppress(OSError):
            os.write(self._stopper, b"!")

    def _keep(self) -> None:
        while not self._over.wait(_RENEW_EVERY_S):
            try:
                if not self._server.renew():
                    self.is_cancelled = True
                    self.end()
            except OrderGoneError:
                self.gone = True
                self.end()
                return
            except ServerAwayError:
                continue  # the server ends the lease if it does not hear of us; then it will say so


class _Printed:
    """Passes on what a step prints, a few times a second; what the server has no room for is counted.

    Args:
        server: Takes it.
        hidden: What is not passed on: the step's secrets.
    """

    def __init__(self, server: HeldOrder, hidden: tuple[bytes, ...]) -> None:
        self._server, self._hiding = server, Hiding(hidden)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock, self._over = threading.Lock(), threading.Event()
        self._pending, self._dropped = bytearray(), 0
        self._thread = threading.Thread(target=self._pass_on, name="output", daemon=True)

    def write(self, chunk: bytes) -> None:
        """Take what was printed; the step never waits for the server."""
        with self._lock:
            shown = self._hiding.feed(chunk)
            if len(self._pending) + len(shown) > _MOST_PENDING_BYTES:
                self._dropped += len(shown)
            else:
                self._pending += shown

    def __enter__(self) -> _Printed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with self._lock:
            self._pending += self._hiding.end()
        self._flush()

    def _pass_on(self) -> None:
        while not self._over.wait(0.25):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            chunk, dropped = bytes(self._pending), self._dropped
            self._pending, self._dropped = bytearray(), 0
        text = self._decoder.decode(chunk) + (f"\n{dropped} bytes were left out\n" if dropped else "")
        for start in range(0, len(text), _MOST_TEXT):
            self._send(text[start : start + _MOST_TEXT])

    def _send(self, text: str) -> None:
        with suppress(OrderGoneError):
            try:
                has_room = self._server.output(text)
            except ServerAwayError:
                has_room = False
            if not has_room:
                self._dropped += len(text.encode())
