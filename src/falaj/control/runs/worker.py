"""The worker: claims runs, conducts them under a lease, and writes what came of them in one transaction."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from falaj.build.pipeline.executors import Placement
from falaj.build.pipeline.mlflow_files import Recorded
from falaj.config import load_project_cached
from falaj.config.platform_spec import ExecutorSpec
from falaj.config.spec import ProjectSpec
from falaj.control import changes, executors, releases
from falaj.control.compliance import DataClassification, Searched
from falaj.control.notary import NotaryChest, NotaryClient
from falaj.control.releases import owners, regression_gates
from falaj.control.releases.lifecycle import transition as deployment_transition
from falaj.control.releases.states import WITHDRAWN
from falaj.control.runs import data_subjects, queue, run_folder, scoring_run
from falaj.control.runs.checkout import checked_out
from falaj.control.runs.connections import PlatformConnections
from falaj.control.runs.contract import LiveRelease, RegressionGateSpec, RunContext, RunResult, RunSpec
from falaj.control.runs.event_writer import Journal
from falaj.control.runs.execution import execute_run
from falaj.control.runs.lifecycle import RunState, transition
from falaj.control.runs.lineage import edges_of_release
from falaj.control.runs.refit import learned_by
from falaj.control.runs.tracking import Tracking, tracked_candidates
from falaj.control.runs.training_rows import Training
from falaj.core.egress import EgressRules
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.os_processes import procfs
from falaj.core.principal import Principal, PrincipalKind
from falaj.core.sandbox import Sandbox, offered
from falaj.storage import Database, ProjectRow, ReleaseRow, RunRow
from falaj.storage.durable import Lease, LeaseLostError, Outbox, ProcessEvent, ProcessTable, looks
from falaj.storage.facts import open_fact_store
from falaj.storage.retraining_tables import TrainingRequestRow
from falaj.supply_chain.artifacts import open_home_store, parse_digest
from falaj.supply_chain.attestations import PublicKeyring, envelope_digest
from falaj.supply_chain.encryption import home_scope
from falaj.trust import lineage, settings
from falaj.trust.audit import record
from falaj.trust.secrets import Vault, secret_values, synchronise

_LEASE_S = 15.0
_RENEW_EVERY_S = 1.0
_WORKER = Principal(releases.WORKER, PrincipalKind.WORKLOAD)

logger = logging.getLogger(__name__)


class Worker:
    """Executes runs of one installation, one at a time; steps inside a run are parallel.

    Args:
        home: The installation.
        notary: Signs, and opens data keys: a worker has no key of its own.
    """

    def __init__(self, home: Home, notary: NotaryClient) -> None:
        self._home, self._notary = home, notary
        self._database = Database(home.database_url, open_fact_store(home.root, home.keys, notary.owner_signer))
        transitions = {"run": transition, "deployment": deployment_transition, "change": changes.transition}
        self._processes = ProcessTable(self._database, transitions)
        self._keys = NotaryChest(notary)
        self._store = open_home_store(home, self._keys)
        self._tracking = Tracking(home)
        self._stopping = threading.Event()
        self._prefix = f"worker:{socket.gethostname()}:{home.root}:"
        self._name = self._prefix + process_name(os.getpid())
        handlers = {"mlflow-register": self._register, "mlflow-alias": self._alias}
        self._outbox = Outbox(self._database, handlers)

    def stop(self) -> None:
        """End soon; a run that is being worked on goes on in the next worker."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`."""
        self._database.migrate()
        run_folder.sweep(self._home.root / "runs", self._is_open)
        self._processes.release_gone(self._prefix, self._is_gone)
        mirror = threading.Thread(target=self._mirror, name="mlflow", daemon=True)
        mirror.start()
        for _ in looks(self._database, self._stopping):
            while not self._stopping.is_set() and self._work_on_next():
                pass

    def _work_on_next(self) -> bool:
        """Work on the run that has waited longest; False when none waits."""
        try:
            lease = self._processes.claim("run", self._name, _LEASE_S)
            if lease is not None:
                self._work(lease)
                return True
        except LeaseLostError:
            logger.warning("lost the lease on a run; another worker continues it")
        except FalajError as error:
            logger.warning("worker: %s", error)
            self._stopping.wait(1.0)
        return False

    def _work(self, lease: Lease) -> None:
        threading.Thread(target=self._tracking.warm_up, name="mlflow-warm-up", daemon=True).start()
        with _Heartbeat(self._processes, lease, self._stopping) as heartbeat:
            order, mlflow_run = self._begin(lease)
            with Journal(self._database, order.run_id, lease.fence) as journal:
                outcome = self._conduct(order, mlflow_run, heartbeat, journal, lease.fence)
            outcome, searched = data_subjects.search(self._database, self._vault, self._store, outcome)
        if heartbeat.lost or (self._stopping.is_set() and not heartbeat.cancel_wanted):
            return  # the state stays `running`; whoever claims it next finds the finished steps in the cache
        self._finish(lease, outcome, searched)
        run_folder.clear(self._home.run_dir(order.run_id))

    def _is_gone(self, owner: str) -> bool:
        """Whether the process is gone that a lease of this machine and home belongs to."""
        name = owner.removeprefix(self._prefix)
        return name != process_name(int(name.partition(".")[0]))

    def _is_open(self, run_id: str) -> bool:
        """Whether a run may still be worked on; a folder that no row knows is of a run without the server."""
        with self._database.reading() as session:
            run = session.get(RunRow, run_id)
        return run is not None and run.state in ("queued", "running")

    def _begin(self, lease: Lease) -> tuple[RunSpec, str | None]:
        now = time.time()
        synchronise(self._database, self._keys)  # keys may have been made or destroyed on other machines
        with self._database.transaction() as session:
            self._processes.send(session, lease.process_id, ProcessEvent("claimed"), now)
            run = session.get_one(RunRow, lease.process_id)
            project = session.get_one(ProjectRow, run.project)
            run.state = "running" if run.state == "queued" else run.state
            run.started_at = run.started_at or now
            queue.record(session, f"run/{run.id}", "run.started", {"commit": run.commit}, now)
            record.write(session, "run.started", releases.WORKER, f"run/{run.id}", now, {"commit": run.commit})
            order = RunSpec(
                run.id, project.repository, run.ref or "", run.commit, author="", params=run.params,
                trigger=run.trigger, training=_training_of(session, run.id), project=project.name,
                started_by=run.started_by,
            )  # fmt: skip
            return order, run.mlflow_run

    def _conduct(
        self, order: RunSpec, previous_run: str | None, heartbeat: _Heartbeat, journal: Journal, fence: int
    ) -> RunResult:
        if order.trigger == scoring_run.TRIGGER:
            return self._score(order, heartbeat, journal)
        opened: list[str] = []

        def open_tracking(project: str, _worktree: object) -> Mapping[str, str]:
            mlflow_run = self._tracking.open_run(project, order.run_id, order.commit, previous_run)
            opened.append(mlflow_run)
            journal.set_mlflow_run(mlflow_run)
            return self._tracking.environment(mlflow_run)

        surroundings = RunContext(
            home=self._home,
            store=self._store,
            notary=self._notary,
            emit=journal.emit,
            cancelled=heartbeat.should_end,
            live=self._live,
            existing_release=self._release_of_bytes,
            regression_gates=self._regression_gates,
            tracking=open_tracking,
            record=lambda recorded: self._tracking.record(opened[-1], recorded),
            candidates=partial(tracked_candidates, self._tracking),
            secrets=lambda names: self._secrets(order.run_id, names),
            refusal=lambda spec: self._refusal(order.run_id, spec),
            placement=lambda recorded, spec: self._placement(order.run_id, fence, recorded, spec),
            labels=self._labels,
            connect=self._connections(order.project).open,
        )
        try:
            with checked_out(order, self._home, self._previous_commit, self._egress()) as (full_order, worktree):
                return execute_run(full_order, worktree, surroundings)
        except FalajError as error:
            return RunResult(RunState.FAILED, str(error))
        except Exception as error:  # a defect of ours must end this run with a reason, not the worker
            logger.exception("run failed unexpectedly")
            return RunResult(
                RunState.FAILED, f"unexpected {type(error).__name__}: {error}; the worker's log says where"
            )

    def _score(self, order: RunSpec, heartbeat: _Heartbeat, journal: Journal) -> RunResult:
        connect = self._connections(order.project).open
        try:
            return scoring_run.score_source(order, self._home, self._store, journal.emit, heartbeat.should_end, connect)
        except (FalajError, OSError) as error:
            return RunResult(RunState.FAILED, str(error))

    def _placement(
        self, run_id: str, fence: int, recorded: Callable[[str, Recorded], None], project: ProjectSpec
    ) -> Placement:
        """Where steps go; what an earlier holder of the run has ordered is void from now on."""
        with self._database.transaction() as session:
            executors.void(session, run_id, fence)
            spec = settings.current(session)
        return executors.ExecutorPlacement(
            self._database, self._store, spec.executors, spec.default_executor, fence, recorded,
            lambda sources, executor: self._residency(run_id, project, sources, executor),
        )  # fmt: skip

    def _residency(self, run_id: str, project: ProjectSpec, sources: Collection[str], executor: ExecutorSpec) -> str:
        """Why data of sources may not go to an executor; a refusal is written to the audit log."""
        now, keyring = time.time(), PublicKeyring(self._home.keys)
        reason = data_subjects.why_not_there(self._database, keyring, project, sources, executor, now)
        if reason:
            details = {"executor": executor.name, "reason": reason}
            with self._database.transaction() as session:
                record.write(session, "step.refused", releases.WORKER, f"run/{run_id}", now, details, outcome="denied")
        return reason

    def _egress(self) -> EgressRules:
        with self._database.reading() as session:
            return settings.egress(session)

    def _finish(self, lease: Lease, outcome: RunResult, searched: Sequence[Searched]) -> None:
        now = time.time()
        with self._database.transaction() as session:
            run = session.get_one(RunRow, lease.process_id, with_for_update=True)
            outcome = _of_own_model(session, run, outcome)
            event = ProcessEvent("finished", {"outcome": outcome.state, "reason": outcome.reason})
            step = self._processes.advance(session, lease, event, now)
            run.state, run.reason, run.model, run.ended_at = step.state, outcome.reason, outcome.model, now
            executors.forget(session, run.id)
            lineage.record(session, outcome.edges, now)
            data_subjects.keep(session, run, outcome, searched, now)
            if step.state == RunState.SUCCEEDED and outcome.digest and outcome.model:
                candidate = releases.Candidate(
                    outcome.model, outcome.digest, outcome.envelopes, outcome.data, run.mlflow_run
                )
                release_row = releases.publish(session, run, candidate, now)
                lineage.record(session, _edges_of(release_row, outcome), now)
                Outbox.add(session, changes.to_request(release_row), now)
            data = {"state": step.state, "reason": outcome.reason, "release": run.release}
            queue.record(session, f"run/{run.id}", "run.ended", data, now)
            record.write(session, "run.ended", releases.WORKER, f"run/{run.id}", now, data)
        if run.mlflow_run:
            with suppress(Exception):  # the tracker may be away; what matters is in the run's row
                self._tracking.close_run(run.mlflow_run, run.state, outcome.metrics, outcome.params)

    def _live(self, model: str) -> LiveRelease | None:
        with self._database.reading() as session:
            release_row = releases.live(session, model)
            if release_row is None:
                return None
            return LiveRelease(
                release_row.number, release_row.digest, *learned_by(release_row.data.get("retraining") or {})
            )

    def _release_of_bytes(self, model: str, digest: str) -> str | None:
        """The newest release of a model that has these bytes, or was judged by them, and could still be served."""
        backtest_model = ReleaseRow.data["retraining"]["refit"]["of"].as_string()
        has_them = or_(ReleaseRow.digest == digest, backtest_model == digest)
        mine = (ReleaseRow.model == model, has_them, ReleaseRow.state.not_in(list(WITHDRAWN)))
        with self._database.reading() as session:
            number = session.scalar(select(func.max(ReleaseRow.number)).where(*mine))
        return None if number is None else f"{model}@{number}"

    def _previous_commit(self, worktree: Path) -> str:
        """The commit of the newest release of the model that a project file names; empty before the first."""
        try:
            model = load_project_cached(worktree, self._home.plan_cache).model
        except FalajError:
            return ""  # the run will say what is wrong with the file
        newest = select(ReleaseRow.commit).where(ReleaseRow.model == model).order_by(ReleaseRow.number.desc())
        with self._database.reading() as session:
            return session.scalar(newest.limit(1)) or ""

    def _regression_gates(self, model: str) -> list[RegressionGateSpec]:
        """The accepted gates of a model, but for those whose rows had to stay at their location."""
        with self._database.reading() as session:
            return [
                RegressionGateSpec(row.id, row.metric, row.limit, row.predicate, row.digest)
                for row in regression_gates.gates(session, model, "accepted")
                if row.digest
            ]

    @property
    def _vault(self) -> Vault:
        return Vault(self._keys, home_scope(self._home.settings))

    def _refusal(self, run_id: str, spec: ProjectSpec) -> str:
        """Why a model may not be trained; empty when it may."""
        with self._database.reading() as session:
            if shared := _shared_trust(session, self._home.settings, offered()):
                return shared
            project = session.get_one(RunRow, run_id).project
            if foreign := owners.refusal(session, spec.model, project):
                return foreign
        if refused := self._connections(project).refusal(spec):
            return refused
        return data_subjects.refusal(self._database, PublicKeyring(self._home.keys), _WORKER, run_id, spec, time.time())

    def _connections(self, project: str) -> PlatformConnections:
        return PlatformConnections(self._database, self._vault, project)

    def _labels(self, spec: ProjectSpec, digests: Mapping[str, str]) -> Mapping[str, Sequence[DataClassification]]:
        with self._database.reading() as session:
            return data_subjects.labels_given(session, spec, digests)

    def _secrets(self, run_id: str, names: Collection[str]) -> Mapping[str, str]:
        with self._database.reading() as session:
            return secret_values(session, self._vault, session.get_one(RunRow, run_id).project, names)

    def _mirror(self) -> None:
        """Do what the outbox asks of MLflow."""
        for _ in looks(self._database, self._stopping):
            self._follow_releases()

    def _follow_releases(self) -> None:
        try:
            self._outbox.run_due(time.time())
        except Exception:
            logger.exception("MLflow mirror")
            self._stopping.wait(5.0)

    def _register(self, message: Mapping[str, Any]) -> None:
        with self._database.reading() as session:
            release_row = releases.find(session, f"{message['model']}@{message['release']}")
        facts = {name: getattr(release_row, name) for name in ("model", "number", "commit", "run_id", "digest")}
        with TemporaryDirectory() as folder:
            model_dir = self._store.fetch(parse_digest(release_row.digest), f"{folder}/model")
            self._tracking.register(facts, message["mlflow_run"], model_dir)

    def _alias(self, message: Mapping[str, Any]) -> None:
        self._tracking.alias(message["model"], message["release"], message["alias"])


def process_name(pid: int) -> str:
    """What names a process of this machine once and for all; empty when there is none."""
    row = procfs.process(pid)
    return f"{pid}.{row.started}" if row is not None and not row.zombie else ""


def _shared_trust(session: Session, settings: Mapping[str, str], sandbox: Sandbox) -> str:
    """Why no project may run where one could read the keys that protect the others; empty when it may."""
    if sandbox.hides_files or settings.get("FALAJ_SHARED_TRUST") == "1":
        return ""
    if session.scalar(select(func.count()).select_from(ProjectRow)) == 1:
        return ""
    return (
        "this kernel has neither namespaces nor Landlock, so that code of one project could read the keys and data of "
        "the others; FALAJ_SHARED_TRUST=1 for the worker says that they trust each other"
    )


def _of_own_model(session: Session, run: RunRow, outcome: RunResult) -> RunResult:
    """The outcome, rejected where another project published a release of the model while the run was under way."""
    reason = owners.refusal(session, outcome.model, run.project) if outcome.model and outcome.digest else ""
    return replace(outcome, state="rejected", reason=reason, digest=None) if reason else outcome


def _training_of(session: Session, run_id: str) -> Training | None:
    row = session.scalar(select(TrainingRequestRow).where(TrainingRequestRow.run_id == run_id))
    if row is None:
        return None
    return Training(row.id, row.kind, row.cause, row.data.get("window", {}).get("parameters", {}))


def _edges_of(release_row: ReleaseRow, outcome: RunResult) -> Iterator[lineage.Edge]:
    evidence = [envelope_digest(envelope) for _, envelope in outcome.envelopes]
    name = f"{release_row.model}@{release_row.number}"
    data = outcome.data
    return edges_of_release(
        name, release_row.run_id, release_row.digest, data.get("packaged_from"), evidence, data.get("reference")
    )


class _Heartbeat:
    """Renews a lease while the block runs, and hears of cancellation."""

    def __init__(self, processes: ProcessTable, lease: Lease, stopping: threading.Event) -> None:
        self._processes, self._lease, self._stopping = processes, lease, stopping
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._deadline = time.monotonic() + _LEASE_S
        self.lost = False
        self.cancel_wanted = lease.state == RunState.CANCELLING

    def __enter__(self) -> _Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def should_end(self) -> bool:
        """Whether the run must stop: cancelled, the worker is stopping, or the lease can no longer be trusted."""
        return self.cancel_wanted or self.lost or self._stopping.is_set()

    def _beat(self) -> None:
        while not self._done.wait(_RENEW_EVERY_S):
            try:
                state = self._processes.renew(self._lease, _LEASE_S)
            except LeaseLostError:
                self.lost = True
                return
            except FalajError:
                self.lost = time.monotonic() > self._deadline  # the database is away: hold until the lease is over
                continue
            self._deadline = time.monotonic() + _LEASE_S
            self.cancel_wanted = state == RunState.CANCELLING
