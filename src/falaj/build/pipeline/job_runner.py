"""Runs jobs in the calling thread, with retries, logs and events, until each has an outcome."""

from __future__ import annotations

import json
import os
import select
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from falaj.build.pipeline import cache
from falaj.build.pipeline.errors import MOST_LOST, DiskFullError, StepError, retriable, was_lost
from falaj.build.pipeline.events import Emit, EventKind, RunEvent
from falaj.build.pipeline.executors import Executor, Placement, no_placement
from falaj.build.pipeline.executors.local import LocalExecutor
from falaj.build.pipeline.jobs import Job
from falaj.build.pipeline.logs import StepLog
from falaj.build.pipeline.project_tree import stored_tree
from falaj.build.pipeline.secret_masking import Secrets
from falaj.build.pipeline.step_attempt import FULL, DamagedInputError, StepResources
from falaj.build.pipeline.step_order import OrderContext, order_of
from falaj.core.errors import FalajError


@dataclass(frozen=True)
class JobResult:
    """What a job came to.

    Attributes:
        job: Which.
        entry: Its result, remembered in the store; None when it failed.
        error: Why it failed.
        attempts: How often it was started.
        started_at: Unix seconds.
        ended_at: Unix seconds.
    """

    job: Job
    entry: cache.CacheEntry | None
    error: Exception | None
    attempts: int
    started_at: float
    ended_at: float


class JobRunner:
    """What the steps of one run share. Use it as a context: leaving it ends what steps left running.

    Args:
        bench: Where and with what they run.
        run_dir: The run's folder.
        extra: Environment variables for every step.
        emit: Told what happens.
        log_path: Where a node's log is kept.
        placement: Finds the executor of a step.
    """

    def __init__(
        self,
        bench: StepResources,
        run_dir: Path,
        extra: Mapping[str, str],
        emit: Emit,
        log_path: Callable[[str], Path],
        placement: Placement = no_placement,
    ) -> None:
        self.bench = bench
        self.run_dir = run_dir
        self.log_path = log_path
        self.placement = placement
        self._local = LocalExecutor(bench, dict(os.environ))  # reading it decodes every variable
        self._context = OrderContext(run_dir.name, bench.environment.digest, placement.fence, dict(extra))
        self._emit = emit
        self._lock = threading.Lock()
        self._trees: dict[tuple[str, ...] | None, str] = {}
        self._trees_lock = threading.Lock()
        self._stopped, self._stopper = os.pipe()

    def stop(self) -> None:
        """Ask every running step to stop."""
        os.write(self._stopper, b"!")

    def tell(self, kind: EventKind, node: str, **data: Any) -> None:
        """Pass on an event."""
        with self._lock:
            self._emit(RunEvent(kind, time.time(), node, data))

    def work(self, job: Job) -> JobResult:
        """Run a job until it succeeds or may not be tried again."""
        started, attempts, lost = time.time(), 0, 0
        while True:
            attempts += 1
            entry, error = self._try(job, attempts, started)
            lost += was_lost(error)
            if error is None or not self._again(job, error, attempts, lost):
                return JobResult(job, entry, error, attempts, started, time.time())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._stopped)
        os.close(self._stopper)
        for name in ("inputs", "steps"):
            if (self.run_dir / name).exists():
                shutil.rmtree(self.run_dir / name, ignore_errors=True)

    def _try(self, job: Job, attempt: int, started: float) -> tuple[cache.CacheEntry | None, Exception | None]:
        name = job.node.name
        try:
            executor = self.placement.executor_of(job.node.step)
            self.tell("step.started", name, attempt=attempt, **({"executor": executor.name} if executor else {}))
            with StepLog(self.log_path(name), lambda lines: self._say(name, lines), self._hidden(job)) as log:
                outputs = self._carried_out(job, attempt, executor, log.write)
            entry = cache.CacheEntry(name, outputs, self._metrics(job, outputs), time.time() - started)
            entry = cache.save(self.bench.store, job.fingerprint, entry)
        except FalajError as error:
            return None, self.bench.secrets.hide_in(error)
        except DamagedInputError as error:
            return None, error
        except OSError as error:
            return None, _disk_error(error, name)
        except Exception as error:
            return None, StepError(
                f"the engine failed: {type(error).__name__}: {error}", where=name, code="step.internal"
            )
        return entry, None

    def _say(self, name: str, lines: list[str]) -> None:
        self.tell("step.log", name, lines=lines)

    def _hidden(self, job: Job) -> tuple[bytes, ...]:
        """What a step's log does not show: what the step knows."""
        return Secrets(self.bench.secrets.of(job.node.step.secrets)).forms

    def _carried_out(
        self, job: Job, attempt: int, executor: Executor | None, output: Callable[[bytes], None]
    ) -> Mapping[str, cache.Output]:
        """Hand one attempt to its executor, and wait for its outputs."""
        if executor is None:
            return self._local.execute(order_of(job, attempt, self._context), self._stopped, output)
        executor.require_permitted(job.node.name, job.sources)
        return executor.execute(order_of(job, attempt, self._context, self._tree(job.files)), self._stopped, output)

    def _tree(self, files: tuple[str, ...] | None) -> str:
        """The project's files as an artifact, for machines that have none of them; each selection is stored once."""
        with self._trees_lock:
            if files not in self._trees:
                scratch = self.run_dir / "tree"
                self._trees[files] = stored_tree(self.bench.store, self.bench.worktree, files, scratch)
            return self._trees[files]

    def _again(self, job: Job, error: Exception, attempts: int, lost: int) -> bool:
        """Whether to try again, after a pause; what its executor lost does not count as a failure of the step."""
        step, failures = job.node.step, attempts - lost
        if not isinstance(error, FalajError) or not retriable(error):
            return False
        if lost > MOST_LOST if was_lost(error) else failures > step.retries:
            return False
        wait_s = 0.0 if was_lost(error) else step.backoff_s * 2 ** (failures - 1)
        self.tell(
            "step.retried", job.node.name, attempt=attempts, wait_s=wait_s, code=error.code, message=error.message
        )
        stopped, _, _ = select.select([self._stopped], [], [], wait_s)
        return not stopped

    def _metrics(self, job: Job, outputs: Mapping[str, cache.Output]) -> dict[str, float]:
        if job.node.step.output != "report":
            return {}
        return {
            name: value
            for output in outputs.values()
            if output.kind == "json"
            for name, value in _numbers("", json.loads(self.bench.store.read_bytes(output.digest, "value.json")))
        }


def _numbers(prefix: str, value: Any) -> list[tuple[str, float]]:
    """Numbers of nested mappings, with dotted names."""
    if isinstance(value, dict):
        return [pair for key, each in value.items() for pair in _numbers(f"{prefix}.{key}".lstrip("."), each)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [(prefix, float(value))]
    return []


def _disk_error(error: OSError, node: str) -> FalajError:
    if error.errno in FULL:
        return DiskFullError("no space left on the disk", where=str(error.filename or node))
    return StepError(f"could not be run: {error}", where=node)
