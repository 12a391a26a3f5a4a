"""Executes a pipeline: what is known is taken from the store, the rest runs in parallel.

The thread that calls `execute` decides; each running step has a thread of its own that waits for its process. A
result is remembered once all of its outputs are in the store, so whatever kills the engine, the next execution goes
on behind the last finished step.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from falaj.build.pipeline import cache
from falaj.build.pipeline.connections import ConnectionOpener, no_connections
from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.events import Emit
from falaj.build.pipeline.executors import Placement, no_placement
from falaj.build.pipeline.fingerprint_inputs import FingerprintInputs
from falaj.build.pipeline.graph import NodeInput, StepNode, choose, expand, sources_reaching
from falaj.build.pipeline.input_cache import Materials
from falaj.build.pipeline.job_runner import JobResult, JobRunner
from falaj.build.pipeline.jobs import Job, StepInput
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.build.pipeline.node_files import step_log
from falaj.build.pipeline.node_results import event_kind, given_to, particulars, step_result, was_cancelled
from falaj.build.pipeline.project_tree import may_be_read
from falaj.build.pipeline.result import PipelineResult, StepResult, StepState
from falaj.build.pipeline.secret_masking import Secrets
from falaj.build.pipeline.sources import SourceSnapshot, forget, resolve
from falaj.build.pipeline.step_attempt import DamagedInputError, StepResources
from falaj.build.pipeline.sweep import CELL_FAULTS
from falaj.config.spec import ProjectSpec
from falaj.core.errors import FalajError
from falaj.core.sandbox import offered
from falaj.core.venv.environment import Environment

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

_LOOK_FOR_CANCEL_S = 0.2


def execute(
    spec: ProjectSpec,
    *,
    worktree: Path,
    environment: Environment,
    store: ArtifactStore,
    run_dir: Path,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    emit: Emit = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    cpus: float | None = None,
    memory_bytes: int | None = None,
    step_environment: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    record: Callable[[str, Recorded], None] = lambda _node, _recorded: None,
    may_fail: str = "",
    snapshots: Mapping[str, SourceSnapshot] = MappingProxyType({}),
    log_path: Callable[[str], Path] | None = None,
    connect: ConnectionOpener = no_connections,
    placement: Placement = no_placement,
) -> PipelineResult:
    """Run every step of a project, or take its result from an earlier run.

    After the first failure nothing new is started; steps that run already may finish, so that their results count.

    Args:
        spec: The project.
        worktree: Its files at the commit; working directory of the steps.
        environment: Its python.
        store: Artifacts and the memory of results.
        run_dir: Folder of this run; its name is the run's id. Logs stay in `logs/`, the rest is removed.
        params: Values that replace those of the project, by step and parameter.
        emit: Told what happens; called by one thread at a time.
        cancelled: Asked a few times a second whether to stop.
        cpus: Cores that steps may reserve together; all of the machine by default.
        memory_bytes: Memory likewise.
        step_environment: Environment variables for the steps.
        secrets: Secrets by name; a step gets those that it declares, as environment variables.
        record: Receives each node and what it recorded with MLflow; called by the thread of the step.
        may_fail: The step whose cells may break without ending the others: the candidates of a sweep.
        snapshots: What is known to be read of sources, which are not looked at again.
        log_path: Where the log of a node is kept; in `run_dir` by default.
        connect: Gives the connections that sources name.
        placement: Finds the executors of steps that do not run on this machine.

    Raises:
        PipelineError: The pipeline cannot be run as it is written, or a declared secret is missing.
    """
    step_secrets = Secrets(secrets or {})
    step_secrets.require(spec)
    execution = _Execution(
        spec,
        JobRunner(
            StepResources(
                store,
                Materials(store, run_dir / "inputs"),
                environment,
                worktree,
                run_dir / "steps",
                memory_bytes or machine_memory(),
                run_dir.parent.parent,
                step_secrets,
                record,
                connect,
            ),
            run_dir,
            dict(step_environment or {}),
            emit,
            log_path or partial(step_log, run_dir),
            placement,
        ),
        params or {},
        cpus or float(len(os.sched_getaffinity(0))),
        may_fail,
        snapshots,
    )
    return execution.run(cancelled)


def machine_memory() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class _Execution:
    """One execution: which nodes wait, are ready, run, and are done."""

    def __init__(
        self,
        spec: ProjectSpec,
        worker: JobRunner,
        params: Mapping[str, Mapping[str, Any]],
        cpus: float,
        may_fail: str,
        snapshots: Mapping[str, SourceSnapshot],
    ) -> None:
        self._spec = spec
        self._worker = worker
        self._bench = worker.bench
        self._params = params
        self._cpus = cpus
        self._may_fail = may_fail
        self._nodes = expand(spec.steps, spec.data)
        self._facts = FingerprintInputs(
            self._bench.worktree,
            self._bench.environment,
            worker.run_dir.name,
            spec.steps,
            enforced=offered().landlock > 0,
        )
        self._noticed: set[str] = set()
        self._waiting = dict(self._nodes)
        self._ready: dict[str, Job] = {}
        self._running: dict[str, Job] = {}
        self._results: dict[str, StepResult] = {}
        self._snapshots = dict(snapshots)
        self._jobs: dict[str, Job] = {}
        self._renewed: set[tuple[str, str]] = set()
        self._failed: str | None = None
        self._cancelled = False
        self._outcomes: queue.SimpleQueue[JobResult] = queue.SimpleQueue()

    def run(self, cancelled: Callable[[], bool]) -> PipelineResult:
        with self._worker:
            try:
                self._until_done(cancelled)
            finally:
                self._worker.stop()
                while self._running:
                    self._settle(self._outcomes.get())
        skipped = {name: self._skipped(name) for name in self._nodes if name not in self._results}
        results = {name: (self._results | skipped)[name] for name in self._nodes}
        return PipelineResult(results, self._snapshots, self._failed, self._cancelled)

    def _until_done(self, cancelled: Callable[[], bool]) -> None:
        while True:
            if not self._cancelled and cancelled():
                self._cancelled = True
                self._worker.stop()
            if self._failed is None and not self._cancelled:
                self._look_up()
                self._start()
            if not self._running:
                return
            with suppress(queue.Empty):
                self._settle(self._outcomes.get(timeout=_LOOK_FOR_CANCEL_S))

    def _look_up(self) -> None:
        """Name the results of nodes whose upstream is done; take those that are known."""
        cache_hit = True
        while cache_hit and self._failed is None:
            cache_hit = False
            for node in [node for node in self._waiting.values() if node.upstream <= self._results.keys()]:
                cache_hit = True
                del self._waiting[node.name]
                self._look_up_one(node)

    def _look_up_one(self, node: StepNode) -> None:
        try:
            job = self._jobs[node.name] = self._job(node)
            entry = cache.load(self._bench.store, job.fingerprint)
        except FalajError as error:
            self._finish(self._result(node, StepState.FAILED, error=error))
            return
        if entry is None:
            self._ready[node.name] = job
            self._worker.tell("step.queued", node.name, fingerprint=job.fingerprint)
        else:
            self._finish(self._result(node, StepState.SUCCEEDED, job.fingerprint, entry=entry, cached=True))

    def _job(self, node: StepNode) -> Job:
        params = json.loads(json.dumps({**node.step.params, **self._params.get(node.step.name, {}), **node.cell}))
        inputs = tuple(tuple(self._parts(entry)) for entry in node.inputs)
        self._notice(node)
        fingerprint = self._facts.fingerprint(node, params, inputs)
        files = self._facts.readable(node, inputs)
        return Job(node, fingerprint, params, inputs, files, self._sources(node, files))

    def _sources(self, node: StepNode, files: tuple[str, ...] | None) -> frozenset[str]:
        """Sources that reach a node: by its inputs, or because it may read their files in the project."""
        reached = sources_reaching(node.name, self._nodes)
        return reached | {each.name for each in self._spec.data.values() if may_be_read(each.source, files)}

    def _notice(self, node: StepNode) -> None:
        """Say once of a place in the code that it cannot be followed."""
        unknown = self._facts.reach(node.step).unknown
        if not self._noticed.issuperset(unknown) and (notice := self._facts.notice(node.step)):
            self._noticed.update(unknown)
            self._worker.tell("run.warning", "", message=notice)

    def _parts(self, entry: NodeInput) -> Iterator[StepInput]:
        if entry.source is not None:
            snapshot, read = self._snapshot(entry.source), self._spec.data[entry.source].read
            filename = snapshot.filename if snapshot.kind == "file" else ""
            yield StepInput(entry.source, snapshot.digest, snapshot.kind, filename, read)
        for name in entry.nodes:
            result = self._results[name]
            if entry.output not in result.outputs:
                raise StepError(f"returned nothing, but `{entry.name}` is read", where=name, code="step.wrong-output")
            yield StepInput(name, result.outputs[entry.output], result.kinds[entry.output], "", {})

    def _snapshot(self, name: str) -> SourceSnapshot:
        if name not in self._snapshots:
            source, bench = self._spec.data[name], self._bench
            self._snapshots[name] = resolve(source, bench.environment, bench.worktree, bench.store, bench.connect)
        return self._snapshots[name]

    def _start(self) -> None:
        """Start what fits on the free cores and memory of this machine, and all that goes to another one."""
        for name in [name for name, job in self._ready.items() if not self._is_here(job)]:
            self._begin(name)
        while self._ready:
            steps = [job.node.step for job in self._running.values() if self._is_here(job)]
            cpus = self._cpus - sum(step.cpu for step in steps)
            memory = self._bench.memory_bytes - sum(step.memory_bytes or 0 for step in steps)
            node = choose([job.node for job in self._ready.values()], cpus, memory, idle=not steps)
            if node is None:
                return
            self._begin(node.name)

    def _is_here(self, job: Job) -> bool:
        return self._worker.placement.executor_of(job.node.step) is None

    def _begin(self, name: str) -> None:
        self._running[name] = job = self._ready.pop(name)
        threading.Thread(target=self._work, args=(job,), name=f"step {name}", daemon=True).start()

    def _work(self, job: Job) -> None:
        self._outcomes.put(self._worker.work(job))

    def _settle(self, outcome: JobResult) -> None:
        """Take in what a step's thread came back with."""
        job = self._running.pop(outcome.job.node.name)
        if isinstance(outcome.error, DamagedInputError):
            self._renew(job, outcome.error)
            return
        state = StepState.SUCCEEDED
        if outcome.entry is None:
            state = StepState.CANCELLED if was_cancelled(outcome.error) else StepState.FAILED
        self._finish(self._result(job.node, state, job.fingerprint, outcome=outcome, entry=outcome.entry))

    def _renew(self, job: Job, damage: DamagedInputError) -> None:
        """Make a damaged input again and let its reader wait for it; a second time it is an error.

        Another reader of it may have found the same: then it is being made already.
        """
        reader = job.node.name
        makers = [part.label for parts in job.inputs for part in parts if part.digest == damage.digest]
        makers = [name for name in makers if name not in self._nodes or name in self._results]
        if self._renewed.intersection((reader, name) for name in makers):
            error = damage.error
            self._finish(self._result(job.node, StepState.FAILED, job.fingerprint, error=error))
            return
        self._renewed.update((reader, name) for name in makers)
        if makers:
            self._bench.store.discard_damaged(damage.digest)  # or who makes the same bytes would not replace them
        for name in makers:
            self._forget(name)
        self._waiting[reader] = job.node

    def _forget(self, name: str) -> None:
        if name in self._nodes:
            result = self._results.pop(name, None)
            self._waiting[name] = self._nodes[name]
            if result is not None:
                cache.forget(self._bench.store, result.fingerprint)
        else:
            self._snapshots.pop(name, None)
            forget(self._spec.data[name], self._bench.store)

    def _finish(self, result: StepResult) -> None:
        job = self._jobs.get(result.node)
        result = replace(result, params=job.params) if job else result
        self._results[result.node] = result
        if result.state is StepState.FAILED and not self._is_candidate_fault(result):
            self._failed = self._failed or result.node
        self._worker.tell(event_kind(result), result.node, **particulars(result), **(given_to(job) if job else {}))

    def _is_candidate_fault(self, result: StepResult) -> bool:
        """Whether others go on: a candidate's own code broke."""
        return result.step == self._may_fail and result.error is not None and result.error.code in CELL_FAULTS

    def _result(self, node: StepNode, state: StepState, fingerprint: str = "", **result_fields: Any) -> StepResult:
        return step_result(node, state, self._worker.log_path(node.name), fingerprint, **result_fields)

    def _skipped(self, name: str) -> StepResult:
        state = StepState.CANCELLED if self._cancelled else StepState.SKIPPED
        return self._result(self._nodes[name], state)
